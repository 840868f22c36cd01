"""Rules for values of JSON and YAML: each returns the final value, or names the rule that it breaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

Rule = Callable[[Any], Any]
_REQUIRED = object()


class Fault(ValueError):
    """A value that breaks a rule.

    Args:
        rule: such as 'must be a number'.
        value: that breaks it; `...` if there is none.
        remedy: what to do.
        keys: path of the value, the outermost key first.
    """

    def __init__(self, rule: str, value: object = ..., remedy: str = '', keys: Sequence[str] = ()) -> None:
        self.rule, self.value, self.remedy, self.keys = rule, value, remedy, tuple(keys)
        key = f'{".".join(self.keys)} ' if self.keys else ''
        got = '' if value is ... else f', got {_short(value)}'
        super().__init__(f'{key}{rule}{got}{"; " if remedy else ""}{remedy}')

    def inside(self, key: str) -> Fault:
        """The same fault with `key` added to its path."""
        return Fault(self.rule, self.value, self.remedy, (key, *self.keys))


class Key(NamedTuple):
    """A key of a record: its rule, and its default value."""

    rule: Rule
    default: Any = _REQUIRED


def record(keys: Mapping[str, Key], wrong: Mapping[str, str] | None = None, others: bool = False) -> Rule:
    """An object with these keys; keys that begin with _ are for notes.

    Args:
        keys: the known ones.
        wrong: common wrong keys -> the remedy.
        others: other keys are allowed and not changed; otherwise they are an error.
    """
    wrong = wrong or {}

    def rule(value: Any) -> dict:
        if not isinstance(value, Mapping):
            raise Fault(f'must be an object with {", ".join(keys)}' if keys else 'must be an object', value)
        for key in () if others else value:
            if key not in keys and not key.startswith('_'):
                raise Fault('is no known key', remedy=wrong.get(key, suggest(key, keys)), keys=[key])
        missing = [key for key, (_, default) in keys.items() if default is _REQUIRED and key not in value]
        if missing:
            raise Fault(f'must have the key {missing[0]!r}', list(value), remedy='add it')
        checked = {
            key: _inside(key, key_rule, value[key]) if key in value else default
            for key, (key_rule, default) in keys.items()
        }
        return {**value, **checked} if others else checked

    return rule


def mapping(rule: Rule, of: str, key_rule: Rule | None = None, least: int = 1) -> Rule:
    """An object with values of one rule, and keys that are names by default; at least `least` of them, 0 or 1."""

    def check(value: Any) -> dict:
        if not isinstance(value, Mapping) or len(value) < least:
            raise Fault(f'must be an object with at least one {of}' if least else 'must be an object', value)
        return {_inside(str(key), key_rule or name, key): _inside(str(key), rule, item) for key, item in value.items()}

    return check


def list_of(rule: Rule, what: str) -> Rule:
    """A list of values of one rule."""

    def check(value: Any) -> list:
        if not isinstance(value, list | tuple):
            raise Fault(f'must be a list of {what}', value)
        return [_inside(str(position), rule, item) for position, item in enumerate(value)]

    return check


def number(low: float = -math.inf, high: float = math.inf, what: str = 'number', remedy: str = '') -> Rule:
    """A finite number in [low, high]."""
    limits = '' if math.isinf(high - low) and low == -math.inf else f' from {low:g} to {high:g}'

    def rule(value: Any) -> float:
        if not _is_number(value) or not low <= value <= high:
            raise Fault(f'must be a finite {what}{limits}', value, remedy)
        return float(value)

    return rule


def whole(low: int, high: int) -> Rule:
    """A whole number in [low, high]."""

    def rule(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Fault(f'must be a whole number from {low} to {high}', value)
        return value

    return rule


def numbers(counts: Collection[int], what: str) -> Rule:
    """A list of finite numbers, as many as one of `counts`."""
    shown = ' or '.join(map(str, counts))

    def rule(value: Any) -> list[float]:
        if not isinstance(value, list) or len(value) not in counts or not all(map(_is_number, value)):
            raise Fault(f'must be a list of {shown} finite numbers, {what}', value)
        return [float(item) for item in value]

    return rule


def one_of(values: Collection[str]) -> Rule:
    """One of these texts."""

    def rule(value: Any) -> str:
        if not isinstance(value, str) or value not in values:
            raise Fault(f'must be one of {list(values)}', value)
        return value

    return rule


def text(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise Fault('must be a text', value, '' if isinstance(value, str) else 'quote it')
    return value


def true_or_false(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Fault('must be true or false', value)
    return value


def name(value: Any) -> str:
    """A string that can be a file name."""
    is_fit = isinstance(value, str) and 0 < len(value) <= 200 and not value.startswith('.')
    if not is_fit or any(not (c.isalnum() or c in '_-.') for c in value):
        raise Fault('must be a name of letters, digits, _, - and . (files are called after it)', value)
    return value


def path(value: Any) -> str:
    """The path of a file, with slashes."""
    if not isinstance(value, str) or not value.strip() or '\0' in value:
        raise Fault('must be the path of a file', value)
    if '\\' in value:
        raise Fault('must be a path with slashes', value, 'write / instead of \\')
    return value


def suggest(name: object, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name: the most similar names, and the (first 20) known ones."""
    names = [str(each) for each in known]
    by_lower = {each.lower(): each for each in names}
    near = [repr(by_lower[match]) for match in get_close_matches(str(name).lower(), by_lower)]
    guess = f'did you mean {" or ".join(near)}? ' if near else ''
    return f'{guess}known: {", ".join(names[:20])}{", …" if len(names) > 20 else ""}'


def _inside(key: str, rule: Rule, value: Any) -> Any:
    try:
        return rule(value)
    except Fault as fault:
        raise fault.inside(key) from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18


def _short(value: object) -> str:
    text = 'null' if value is None else repr(value)
    return text if len(text) <= 120 else f'{text[:117]}...'
