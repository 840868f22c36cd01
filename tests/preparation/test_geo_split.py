import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest

from ssl_bev.datasets import NuScenesBEVDataset, read_scene_list
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.preparation.geo_split import SceneTrack, near_fraction, scene_tracks, split_by_place

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'make_geo_split.py'


def track(name, *points, location='east'):
    return SceneTrack(f'{name}-token', name, location, np.array(points, float))


def names(tracks):
    return sorted(t.name for t in tracks)


def town(number, seed, location='east'):
    """Scenes of ten frames, 5 m apart, along the streets of a town of 1 km."""
    rng = np.random.default_rng(seed)
    tracks = []
    for i in range(number):
        step = 5.0 * np.array([(1, 0), (0, 1)])[rng.integers(2)]
        start = rng.uniform(0, 1000, 2)
        tracks.append(track(f'{location}{i}', *(start + step * k for k in range(10)), location=location))
    return tracks


def smallest_gap(a, b):
    return min(
        np.linalg.norm(p.xy[:, None] - q.xy[None], axis=-1).min() for p in a for q in b if p.location == q.location
    )


def test_fraction_of_near_frames_by_hand():
    r"""Frames of a at x = 0, 3, 9; of b at x = 4, and of c on another map."""
    a, b = track('a', (0, 0), (3, 0), (9, 0)), track('b', (4, 0))
    c = track('c', (0, 0), location='west')
    assert near_fraction([a], [b, c], 1) == pytest.approx(1 / 3)
    assert near_fraction([a], [b, c], 4) == pytest.approx(2 / 3)
    assert near_fraction([a], [b], 5) == 1
    assert near_fraction([a], [c], 1000) == 0


def test_a_row_of_scenes_loses_those_at_the_border():
    """Ten scenes in a row, 100 m apart and 40 m long: 60 m between neighbours; 80 m cost one scene, 50 m none."""
    tracks = [track(f's{i}', *((100 * i + 10 * k, 0) for k in range(5))) for i in range(10)]
    for distance, dropped in ((50, 0), (80, 1)):
        split = split_by_place(tracks, distance, 0.3)
        assert (len(split.val), len(split.dropped), len(split.train)) == (3, dropped, 7 - dropped)
        assert smallest_gap(split.val, split.train) >= distance
        assert names(split.val) in (['s0', 's1', 's2'], ['s7', 's8', 's9'])


@pytest.mark.parametrize('seed', range(3))
def test_every_map_is_split_and_the_distance_kept(seed):
    tracks = town(60, seed) + town(30, seed + 10, 'west')
    split = split_by_place(tracks, 70, 0.25)
    assert names(split.train + split.val + split.dropped) == names(tracks)
    assert smallest_gap(split.val, split.train) >= 70
    assert near_fraction(split.val, split.train, 69.9) == 0
    for location, number in (('east', 60), ('west', 30)):
        val = sum(t.location == location for t in split.val)
        assert 0.15 * number <= val <= 0.35 * number
    assert len(split.dropped) < 0.2 * len(tracks)
    again = split_by_place(tracks, 70, 0.25)
    assert names(again.val) == names(split.val)


def test_scenes_beside_the_cut_come_back_where_they_are_far_enough():
    """One long scene spans the cut of two towns on the right; it is far from all of them and trains."""
    left = [track(f'l{i}', (0, 200 * i), (10, 200 * i)) for i in range(8)]
    right = [track(f'r{i}', (500, 200 * i), (510, 200 * i)) for i in range(4)]
    bridge = track('bridge', *((x, -5000) for x in range(0, 510, 10)))
    split = split_by_place([*left, *right, bridge], 100, 0.2)
    assert names(split.dropped) == []
    assert smallest_gap(split.val, split.train) >= 100


def test_bad_arguments():
    tracks = town(5, 0)
    with pytest.raises(ValueError, match=r'distance must be positive \(metres\), got 0'):
        split_by_place(tracks, 0)
    with pytest.raises(ValueError, match='val_fraction must lie between 0 and 1, got 1'):
        split_by_place(tracks, 10, 1)
    with pytest.raises(ValueError, match=r'no scene is left for val: 1 scenes cannot be split with 10 m between'):
        split_by_place(tracks[:1], 10)


def moved_infos(tiny_data, folder):
    """The info files with scene-0061 moved 500 m away, its sweeps as well."""
    for split in ('train', 'val'):
        content = pickle.loads((tiny_data / f'ssl_bev_infos_{split}.pkl').read_bytes())
        for keyframe in content['data_list']:
            for frame in (keyframe, *keyframe['sweeps']):
                if frame['scene_name'] == 'scene-0061':
                    frame['ego2global'][0][3] += 500
        (folder / f'ssl_bev_infos_{split}.pkl').write_bytes(pickle.dumps(content))


def test_the_tool_writes_lists_that_the_dataset_reads(tiny_data, tiny_root, tmp_path, capsys):
    spec = importlib.util.spec_from_file_location('make_geo_split', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    moved_infos(tiny_data, tmp_path)
    arguments = [
        '--infos',
        *(str(tmp_path / f'ssl_bev_infos_{name}.pkl') for name in ('train', 'val')),
        '--out',
        str(tmp_path / 'geo'),
        '--val-fraction',
        '0.3',
    ]
    tool.main(arguments)
    printed = capsys.readouterr().out
    # The official validation scene starts where a training scene does; the new one is 500 m away.
    assert 'within 70 m of a training frame: 100.0% as the info files are split, 0.0% in this split' in printed
    train, val = (str(tmp_path / 'geo' / f'{name}.txt') for name in ('train', 'val'))
    assert read_scene_list(val) == ['scene-0061-token']
    settings = {
        'ann_file': [f'ssl_bev_infos_{name}.pkl' for name in ('train', 'val')],
        'pipeline': [],
        'data_root': str(tiny_root),
        'info_root': str(tmp_path),
    }
    dataset = NuScenesBEVDataset(scene_list=train, disjoint_from=val, **settings)
    assert set(dataset.scene_tokens) == {'scene-0553-token', 'scene-0103-token'}
    assert len(NuScenesBEVDataset(scene_list=val, disjoint_from=train, **settings)) == 3

    with pytest.raises(SystemExit, match=r'error: .*cannot be split with 5000 m between'):
        tool.main([*arguments, '--distance', '5000'])


def test_tracks_hold_the_frames_between_keyframes(tiny_data):
    tracks = scene_tracks(read_info_file(tiny_data / 'ssl_bev_infos_train.pkl')['data_list'])
    assert [(t.name, t.location, t.xy.shape) for t in tracks] == [
        ('scene-0061', 'singapore-onenorth', (7, 2)),
        ('scene-0553', 'singapore-onenorth', (7, 2)),
    ]
    np.testing.assert_allclose(tracks[0].xy[0], [100, 100])
