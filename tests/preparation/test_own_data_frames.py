"""Which frames become keyframes, and where the vehicle was when an image was taken."""

import re

import numpy as np
import own_drive
import pytest

from ssl_bev.datasets import BEVDataset
from ssl_bev.datasets.calibration import frame_cameras, frame_poses
from ssl_bev.preparation.checks import check_data
from ssl_bev.preparation.own_data import (
    create_own_data,
    pose,
)

FRONT = {'front': (48, 64)}


def test_every_nth_frame_with_sweeps_between(tmp_path):
    lines = own_drive.drive(FRONT, count=10)
    frames = own_drive.create(tmp_path, lines, every=4, max_sweeps=2)
    assert [frame['token'] for frame in frames] == ['drive-0', 'drive-4', 'drive-8']
    assert [[s['token'] for s in frame['sweeps']] for frame in frames] == [
        ['drive-1', 'drive-3'],
        ['drive-5', 'drive-7'],
        [],
    ]
    assert (frames[1]['prev'], frames[1]['next'], frames[1]['frame_index']) == ('drive-0', 'drive-8', 1)
    sweep = frames[1]['sweeps'][0]
    assert (sweep['prev'], sweep['next'], sweep['is_keyframe']) == ('drive-4', 'drive-8', False)
    windows = own_drive.dataset(tmp_path, num_frames=2, frames='all')
    assert [f['token'] for f in windows[3]['frames']] == ['drive-3', 'drive-4']
    report = check_data(tmp_path, [tmp_path / own_drive.INFOS], with_sweeps=True, show_progress=False)
    assert report.is_good, str(report)


def test_least_distance_and_marks(tmp_path, caplog):
    """At 2 m a step, every frame but the first and those that are marked as no keyframes."""
    lines = own_drive.drive(FRONT, count=10)
    for line in (lines[3], lines[6]):
        line['is_keyframe'] = False
    frames = own_drive.create(tmp_path, lines, min_distance=3.9)
    assert [frame['token'] for frame in frames] == ['drive-1', 'drive-4', 'drive-6', 'drive-8']
    assert 'scene drive: 1 frames before its first keyframe are left out' in caplog.text
    assert [s['token'] for s in frames[0]['sweeps']] == ['drive-2', 'drive-3']


def test_images_have_their_own_time(tmp_path):
    """Taken 50 ms before its frame at 10 m/s, an image saw everything from half a metre further back."""
    lines = own_drive.drive(FRONT, count=3)
    for line in lines[3:]:
        line['images']['front']['timestamp'] = line['timestamp'] - 0.05
    frames = own_drive.create(tmp_path, lines)
    for frame in frames:  # beyond the first frame, too
        _, bev2cam = frame_cameras(frame, ['front'], 'ego')
        np.testing.assert_allclose(bev2cam[0] @ [10.5, 2, 0, 1], [-2, 1.5, 10.5, 1], atol=1e-9)
    report = check_data(tmp_path, [tmp_path / own_drive.INFOS], show_progress=False)
    assert report.is_good, str(report)


def test_turning_between_frames(tmp_path):
    lines = own_drive.drive(FRONT, count=2)
    turned = own_drive.vehicle(0.2)
    turned[:2, :2] = [[0, -1], [1, 0]]
    lines[4]['vehicle_to_world'] = pose(turned)
    lines[4]['images']['front']['timestamp'] = lines[4]['timestamp'] - 0.1
    frame = own_drive.create(tmp_path, lines)[1]
    cam2global = frame_poses(frame, 'ego')[0] @ np.linalg.inv(frame_cameras(frame, ['front'], 'ego')[1][0])
    half = np.sqrt(0.5)
    np.testing.assert_allclose(cam2global[:3, 2], [half, half, 0], atol=1e-9)
    np.testing.assert_allclose(cam2global[:3, 3], [1 + 0.5 * half, 0.5 * half, 1.5], atol=1e-9)


@pytest.mark.parametrize(
    ('count', 'change', 'message'),
    [
        (
            1,
            0.1,
            'image front is unknown: the scene has a single frame, at 1000.0; give the image its vehicle_to_world',
        ),
        (3, -0.5, r'it is 0.50 s beyond the frames of the scene, at most 0.3 s'),
    ],
)
def test_times_without_a_pose(tmp_path, count, change, message):
    lines = own_drive.drive(FRONT, count=count)
    lines[3]['images']['front']['timestamp'] = lines[3]['timestamp'] + change
    with pytest.raises(ValueError, match=r"drives.jsonl, line 4 \(frame 'drive-0'\): the pose .*" + message):
        own_drive.create(tmp_path, lines)
    lines[3]['images']['front']['vehicle_to_world'] = pose(own_drive.vehicle(0))
    own_drive.create(tmp_path, lines)


def test_frames_too_far_apart(tmp_path):
    lines = own_drive.drive(FRONT, count=2)
    lines[4]['timestamp'] += 3
    lines[3]['images']['front']['timestamp'] = lines[3]['timestamp'] + 0.1
    with pytest.raises(ValueError, match=r'the frames around it are 3.2 s apart, at most 2 s are bridged'):
        own_drive.create(tmp_path, lines)


def test_a_scene_that_changes_its_split_must_leave_the_old_one(tmp_path):
    lines = own_drive.drive(FRONT)
    night = [{**lines[2], 'name': 'night', 'split': 'val'}, *(own_drive.frame(i, FRONT, 'night') for i in range(3))]
    alone = [{**lines[2], 'name': 'alone', 'split': 'test'}, *(own_drive.frame(i, FRONT, 'alone') for i in range(2))]
    own_drive.create(tmp_path, [*lines, *alone])
    own_drive.create(tmp_path, [*lines, *night])  # the scene of another run may stay
    infos, old = tmp_path / own_drive.INFOS, tmp_path / 'ssl_bev_infos_val.pkl'
    before = infos.read_bytes()
    night[0]['split'] = 'train'
    with pytest.raises(ValueError, match=r'has ssl_bev_infos_val\.pkl of an earlier run, .* splits now'):
        own_drive.create(tmp_path, [*lines, *night])
    assert infos.read_bytes() == before
    moved = old.rename(tmp_path / 'kept.pkl')
    assert len(own_drive.create(tmp_path, [*lines, *night])) == 7
    moved.rename(old)
    report = check_data(tmp_path, sorted(tmp_path.glob('*.pkl')), show_progress=False)
    assert report.errors == {'info files': 1}
    assert re.search('_val.pkl: 3 frames are in .*_train.pkl too, such as night-0; give each one split', str(report))


def test_a_split_without_keyframes_has_no_file(tmp_path, caplog):
    lines = own_drive.drive(FRONT)
    night = [{**lines[2], 'name': 'night', 'split': 'val'}, own_drive.frame(0, FRONT, 'night')]
    night[1]['is_keyframe'] = False
    file = own_drive.write(tmp_path, [*lines, *night])
    assert create_own_data(tmp_path, [file], tmp_path, show_progress=False) == {'train': 4, 'val': 0}
    assert [path.name for path in tmp_path.glob('*.pkl')] == [own_drive.INFOS]
    assert 'split val has no keyframe, so no info file' in caplog.text


def test_a_config_that_needs_another_split_is_told_so(tmp_path):
    own_drive.create(tmp_path, own_drive.drive(FRONT))
    hint = 'val.pkl; make it with .* of data with at least one scene of this split; there are only .*_train.pkl'
    with pytest.raises(FileNotFoundError, match=f'ann_file not found: .*{hint}'):
        BEVDataset('ssl_bev_infos_val.pkl', [], data_root=str(tmp_path), with_labels=False)


def test_scenes_splits_and_files(tmp_path):
    lines = own_drive.drive(FRONT)
    second = [{**lines[2], 'name': 'night', 'split': 'val'}, *(own_drive.frame(i, FRONT, 'night') for i in range(3))]
    own_drive.create(tmp_path, lines)
    more = own_drive.write(tmp_path / 'more', [*lines[:2], *second], with_images=False)
    own_drive.write(tmp_path, [*lines, *second])
    counts = create_own_data(tmp_path, [tmp_path / 'drives.jsonl'], tmp_path / 'one', show_progress=False)
    assert counts == {'train': 4, 'val': 3}
    own_drive.write(tmp_path, lines)
    counts = create_own_data(tmp_path, [tmp_path / 'drives.jsonl', more], tmp_path / 'two', show_progress=False)
    assert counts == {'train': 4, 'val': 3}
    name = own_drive.INFOS.replace('train', 'val')
    assert (tmp_path / 'one' / name).read_bytes() == (tmp_path / 'two' / name).read_bytes()
