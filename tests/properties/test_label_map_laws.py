"""What holds of any label map: it means the same from every source and in every order, and never anything else."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ssl_bev.pseudo_labels import LabelMap
from ssl_bev.pseudo_labels.label_map import shipped_label_maps

VALUES = {'positive': 1, 'negative': 0, 'ignore': 255}
names = st.text(min_size=1, max_size=8)


@st.composite
def label_maps(draw: st.DrawFn) -> dict:
    """The content of a sound one: each class has a role, each target says something of each role."""
    classes = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    roles = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    role_of = [draw(st.sampled_from(roles)) for _ in classes]
    content = {'class_names': classes, 'roles': {}, 'targets': {}}
    for role in roles:
        content['roles'][role] = [name for name, its in zip(classes, role_of, strict=True) if its == role]
    for target in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        rule_of = {role: draw(st.sampled_from(list(VALUES))) for role in roles}
        rules = {rule: [role for role in roles if rule_of[role] == rule] for rule in VALUES}
        content['targets'][target] = {rule: members for rule, members in rules.items() if members}
    return content | {'movers': draw(st.lists(st.sampled_from(classes), unique=True))}


@given(content=label_maps(), seed=st.integers(0, 9))
def test_a_table_says_what_the_rules_say(content: dict, seed: int) -> None:
    """Of each class by itself, in whatever order the teacher has them."""
    label_map = LabelMap.load(content)
    order = random.Random(seed).sample(content['class_names'], len(content['class_names']))
    lacking = label_map.lacking(order, list(content['targets']))
    given_targets = [target for target in content['targets'] if target not in lacking]
    table = label_map.table(order, given_targets)
    assert table.shape == (len(order), len(given_targets))
    for column, target in enumerate(given_targets):
        assert 1 in table[:, column]
        for row, name in enumerate(order):
            (role,) = (role for role, members in content['roles'].items() if name in members)
            (rule,) = (rule for rule, members in content['targets'][target].items() if role in members)
            assert table[row, column] == VALUES[rule]
    for target in lacking:
        with pytest.raises(ValueError, match='label map'):
            label_map.table(order, [target])


@given(content=label_maps())
def test_a_map_is_the_same_from_yaml_and_json(tmp_path: Path, content: dict) -> None:
    (tmp_path / 'map.yaml').write_text(yaml.safe_dump(content, allow_unicode=True), encoding='utf-8')
    (tmp_path / 'map.json').write_text(json.dumps(content))
    maps = [LabelMap.load(source) for source in (content, tmp_path / 'map.yaml', tmp_path / 'map.json')]
    for other in maps[1:]:
        assert (other.class_names, other.roles, other.targets) == (maps[0].class_names, maps[0].roles, maps[0].targets)
        assert other.movers == maps[0].movers


@given(name=st.sampled_from(shipped_label_maps()), other=names)
def test_unknown_names_are_never_taken_for_known_ones(name: str, other: str) -> None:
    label_map = LabelMap.load(name)
    if other not in label_map.roles:
        with pytest.raises(ValueError, match='unknown teacher class'):
            label_map.table([other], [])
    if other not in label_map.targets and other not in label_map.unavailable:
        with pytest.raises(ValueError, match='unknown target'):
            label_map.lacking([], [other])
