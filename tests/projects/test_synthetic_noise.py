"""Annotation noise: how much, how smooth, and that nothing changes without it."""

import json
from pathlib import Path

import numpy as np
import pytest

from projects.SyntheticNuScenes.synthetic_nuscenes.annotation_noise import LocalisationError, publish_map
from projects.SyntheticNuScenes.synthetic_nuscenes.map_expansion import MapGeometry
from projects.SyntheticNuScenes.synthetic_nuscenes.scene_plan import Options
from projects.SyntheticNuScenes.synthetic_nuscenes.town import make_town


@pytest.fixture(scope='module')
def town() -> dict:
    return make_town(4, cells=5)


@pytest.fixture(scope='module')
def published(town: dict) -> dict:
    return publish_map(town, 1, 'nuscenes')


def test_without_noise_the_map_is_published_as_it_is(town: dict):
    copy = publish_map(town, 1, 'none')
    assert copy == town and copy is not town


def test_publishing_is_repeatable_and_leaves_the_truth_alone(town: dict, published: dict):
    before = json.dumps(town)
    assert published == publish_map(town, 1, 'nuscenes')
    assert published != publish_map(town, 2, 'nuscenes')
    assert json.dumps(town) == before


def test_roads_move_by_a_quarter_metre_and_nearly_as_a_whole(town: dict, published: dict):
    node = {n['token']: np.array([n['x'], n['y']]) for n in published['node']}
    records = {p['token']: p for p in town['polygon']}
    means, spreads = [], []
    for segment in town['road_segment']:
        if segment['is_intersection']:
            continue
        tokens = records[segment['polygon_token']]['exterior_node_tokens']
        before = {n['token']: np.array([n['x'], n['y']]) for n in town['node'] if n['token'] in set(tokens)}
        shift = np.array([node[t] - before[t] for t in tokens])
        means.append(shift.mean(axis=0))
        spreads.append(shift.std())
    assert 0.15 < np.std(means) < 0.4
    assert np.mean(spreads) < 0.45


def test_some_dividers_are_missing_and_some_lie_beside_their_paint(town: dict, published: dict):
    missing = total = aside = 0
    for layer in ('lane_divider', 'road_divider'):
        kept = {record['token'] for record in published[layer]}
        lines = {r['token']: r['line_token'] for r in town[layer]}
        total += len(lines)
        missing += len(lines.keys() - kept)
        aside += sum(r['line_token'] != lines[r['token']] for r in published[layer])
    assert 0.01 < missing / total < 0.14
    assert 0.04 < aside / total < 0.28


def test_stale_elements_are_on_roads_and_references_stay_whole(town: dict, published: dict):
    stale = {r['token'] for r in published['ped_crossing']} - {r['token'] for r in town['ped_crossing']}
    assert stale
    geometry = MapGeometry(published)
    roads = [geometry.polygon(r['polygon_token']).buffer(1.0) for r in published['road_segment']]
    for record in published['ped_crossing']:
        if record['token'] in stale:
            centre = geometry.polygon(record['polygon_token']).centroid
            assert any(road.contains(centre) for road in roads)
    crossings = {record['token'] for record in published['ped_crossing']}
    assert all(t in crossings for record in published['stop_line'] for t in record['ped_crossing_tokens'])


def test_localisation_error_has_the_stated_size_and_is_smooth():
    errors = [LocalisationError(seed, 'nuscenes') for seed in range(40)]
    deltas = np.array([[error.delta(t) for t in np.arange(0.0, 20.0, 0.5)] for error in errors])
    assert deltas[..., :2, 3].std() == pytest.approx(0.08, rel=0.15)
    assert np.degrees(deltas[..., 1, 0].std()) == pytest.approx(0.12, rel=0.15)
    assert np.abs(errors[0].delta(5.0) - errors[0].delta(5.04)).max() < 0.02
    assert np.array_equal(LocalisationError(3, 'none').delta(2.0), np.eye(4))


def test_an_unknown_mode_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"annotation_noise must be one of .*'loud'"):
        Options(tmp_path, annotation_noise='loud')
