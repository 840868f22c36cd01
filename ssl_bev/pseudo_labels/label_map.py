"""The meaning of teacher classes for the BEV targets: positive, negative or ignore. Classes are matched by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssl_bev.files.rules import Fault, Key, list_of, mapping, record, suggest, text
from ssl_bev.files.text_files import read_json, read_yaml
from ssl_bev.targets import IGNORE

_VALUES = {'positive': 1, 'negative': 0, 'ignore': IGNORE}
_FOLDER = Path(__file__).parent / 'label_maps'
_names = list_of(text, 'names')
_CONTENT = record(
    {
        'class_names': Key(_names),
        'also_accepted': Key(_names, ()),
        'roles': Key(mapping(_names, 'role', text)),
        'targets': Key(mapping(mapping(_names, 'rule', text), 'target', text)),
        'unavailable': Key(mapping(text, 'target', text, least=0), {}),
        'movers': Key(_names, ()),
    },
    others=True,
)
_REDUCTION = record({'names': Key(mapping(text, 'name', text))}, others=True)


@dataclass(frozen=True)
class LabelMap:
    """A label space and its meaning for the BEV targets.

    Args:
        name: for error messages.
        class_names: the label space in the order of its ids.
        roles: class name -> role.
        targets: target -> role -> 0 (negative), 1 (positive) or 255 (ignore).
        unavailable: target -> reason why this label space lacks it.
        movers: classes that move: people, vehicles, animals.
    """

    name: str
    class_names: tuple[str, ...]
    roles: Mapping[str, str]
    targets: Mapping[str, Mapping[str, int]]
    unavailable: Mapping[str, str]
    movers: frozenset[str] = frozenset()

    @classmethod
    def load(cls, source: str | Path | Mapping) -> LabelMap:
        """Read a label map by the name of a shipped one, from a YAML or JSON file, or from its content.

        Raises:
            FileNotFoundError: neither a shipped name nor a file.
            ValueError: the content contradicts itself.
        """
        if isinstance(source, Mapping):
            return _parse('label map', source)
        return _parse(str(source), _read(source))

    def table(
        self, teacher_class_names: Sequence[str], target_classes: Sequence[str]
    ) -> np.ndarray:  # (num_ids, K) uint8
        """The value of each target (columns) for each teacher class id (rows): 1, 0 or 255 = ignore.

        Raises:
            ValueError: a class that the map does not know (with its nearest names), a target that it cannot
                give, or a target for which the teacher has no positive class.
        """
        for reason in self.lacking(teacher_class_names, target_classes).values():
            raise ValueError(reason)
        values = [[self.targets[t][self.roles[c]] for t in target_classes] for c in teacher_class_names]
        return np.array(values, np.uint8).reshape(len(teacher_class_names), len(target_classes))

    def lacking(self, teacher_class_names: Sequence[str], target_classes: Sequence[str]) -> dict[str, str]:
        """The targets that a teacher cannot provide, with reasons: target -> sentence.

        Raises:
            ValueError: a class or a target that the map does not know (with its nearest names).
        """
        self._check_known(teacher_class_names)
        reasons = {}
        for target in target_classes:
            if target in self.unavailable:
                reasons[target] = f'label map {self.name}: no target {target!r}: {self.unavailable[target]}'
                continue
            if target not in self.targets:
                raise ValueError(f'label map {self.name}: unknown target {target!r}; {suggest(target, self.targets)}')
            positive = [name for name, role in self.roles.items() if self.targets[target][role] == 1]
            if not set(positive) & set(teacher_class_names):
                reasons[target] = (
                    f'label map {self.name}: target {target!r} is missing from the teacher, whose classes contain none '
                    f'of {positive}; {suggest((positive or [target])[0], teacher_class_names)}'
                )
        return reasons

    def moving(self, teacher_class_names: Sequence[str]) -> np.ndarray:  # (num_ids,) bool
        """True for each teacher class id that moves.

        Raises:
            ValueError: a class that the map does not know (with its nearest names), or a map without movers.
        """
        self._check_known(teacher_class_names)
        if not self.movers:
            raise ValueError(f'label map {self.name} names no movers; list the classes that move under the key movers')
        return np.array([name in self.movers for name in teacher_class_names], bool)

    def _check_known(self, teacher_class_names: Sequence[str]) -> None:
        for class_name in teacher_class_names:
            if class_name not in self.roles:
                others = ' or '.join(name for name in shipped_label_maps() if _knows(name, teacher_class_names))
                raise ValueError(
                    f'label map {self.name}: unknown teacher class {class_name!r}; {suggest(class_name, self.roles)}'
                    + (f'; label map {others} knows all classes of this teacher' if others else '')
                )


def shipped_label_maps() -> list[str]:
    """The names that `LabelMap.load` takes."""
    return sorted(path.stem for path in _FOLDER.glob('*.yaml') if '_to_' not in path.stem)


def _knows(name: str, class_names: Sequence[str]) -> bool:
    return set(class_names) <= set(LabelMap.load(name).roles)


def reduction_table(
    source_class_names: Sequence[str], target_class_names: Sequence[str], reduction: str | Path = 'mapillary_v2_to_v1'
) -> np.ndarray:  # (num_source_ids,) uint8
    """The target id of each source id; 255 where the target label space has no such class.

    Args:
        source_class_names: names in the order of the source ids.
        target_class_names: names in the order of the target ids.
        reduction: a shipped table of names, or a file in its format.

    Raises:
        ValueError: a source name that neither the table nor the target label space knows.
    """
    try:
        names = _REDUCTION(_read(reduction))['names']
    except Fault as fault:
        raise ValueError(f'reduction {reduction}: {fault}') from None
    ids = {name: i for i, name in enumerate(target_class_names)}
    for name in source_class_names:
        if name not in names and name not in ids:
            raise ValueError(f'reduction {reduction}: unknown class {name!r}; {suggest(name, [*names, *ids])}')
    return np.array([ids.get(names.get(name, name), IGNORE) for name in source_class_names], np.uint8)


def _read(source: str | Path) -> dict:
    shipped = _FOLDER / f'{source}.yaml'
    path = shipped if shipped.is_file() else Path(source)
    if not path.is_file():
        raise FileNotFoundError(
            f'label map {str(source)!r} is neither a file nor one of {", ".join(shipped_label_maps())}'
        )
    return (read_json if path.suffix == '.json' else read_yaml)(path, 'label map')


def _parse(name: str, content: Mapping) -> LabelMap:
    if not isinstance(content, Mapping):
        raise ValueError(f'label map {name} must hold keys and values, got {type(content).__name__}')
    missing = [key for key in ('class_names', 'roles', 'targets') if key not in content]
    if missing:
        raise ValueError(f'label map {name} needs the keys class_names, roles and targets, missing: {missing}')
    try:
        content = _CONTENT(content)
    except Fault as fault:
        raise ValueError(f'label map {name}: {fault}') from None
    class_names = tuple(content['class_names'])
    known = sorted({*class_names, *content['also_accepted']})
    roles: dict[str, str] = {}
    for role, members in content['roles'].items():
        for member in members:
            if member not in known:
                raise ValueError(
                    f'label map {name}: role {role!r} names an unknown class {member!r}; {suggest(member, known)}'
                )
            if member in roles:
                raise ValueError(f'label map {name}: class {member!r} has the roles {roles[member]!r} and {role!r}')
            roles[member] = role
    without_role = [member for member in known if member not in roles]
    if without_role:
        raise ValueError(f'label map {name}: classes without a role: {without_role}')
    known_roles = list(content['roles'])
    targets = {target: _role_values(name, target, rules, known_roles) for target, rules in content['targets'].items()}
    movers = frozenset(content['movers'])
    for member in sorted(movers - set(known)):
        raise ValueError(f'label map {name}: movers names an unknown class {member!r}; {suggest(member, known)}')
    return LabelMap(name, class_names, roles, targets, content['unavailable'], movers)


def _role_values(name: str, target: str, rules: Mapping[str, Sequence[str]], roles: Sequence[str]) -> dict[str, int]:
    values: dict[str, int] = {}
    for rule, members in rules.items():
        if rule not in _VALUES:
            raise ValueError(f'label map {name}, target {target!r}: {rule!r} is none of {", ".join(_VALUES)}')
        for role in members:
            if role not in roles:
                raise ValueError(f'label map {name}, target {target!r}: unknown role {role!r}; {suggest(role, roles)}')
            if role in values:
                raise ValueError(f'label map {name}, target {target!r}: role {role!r} stands twice')
            values[role] = _VALUES[rule]
    if set(values) != set(roles):
        raise ValueError(f'label map {name}, target {target!r}: roles not covered: {sorted(set(roles) - set(values))}')
    return values
