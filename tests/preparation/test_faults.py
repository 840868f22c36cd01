"""Each kind of bad input is met with a clear error that leaves nothing behind, or is read for what it means."""

import json
import pickle
import shutil

import numpy as np
import pytest
from tiny_nuscenes import VERSION

from ssl_bev.datasets import NuScenesBEVDataset
from ssl_bev.datasets.calibration import frame_cameras
from ssl_bev.preparation.checks import check_data
from ssl_bev.preparation.create_infos import create_data

SAMPLE, POSE, CAMERA = 'scene-0061-sample1', 'e-scene-0061-LIDAR_TOP-3', 'c-CAM_FRONT'
MAP = 'maps/expansion/singapore-onenorth.json'
INFOS = 'ssl_bev_infos_train.pkl'


# How faults are planted: each of these returns a function of the root.
def edit(file, change, encoding='utf-8'):
    """Change the content of a JSON file."""

    def plant(root):
        path = root / file
        content = json.loads(path.read_text())
        path.write_text(json.dumps(change(content) or content, ensure_ascii=False), encoding=encoding)

    return plant


def table(name, change, encoding='utf-8'):
    return edit(f'{VERSION}/{name}.json', change, encoding)


def record(name, token, /, **values):
    """Change one record of a table; a value of `...` takes the field out."""

    def change(records):
        (found,) = (r for r in records if r['token'] == token)
        found.update(values)
        for field in [field for field, value in values.items() if value is ...]:
            del found[field]

    return table(name, change)


def every(name, /, **values):
    def change(records):
        for found in records:
            found.update(values)
            for field in [field for field, value in values.items() if value is ...]:
                del found[field]

    return table(name, change)


def times(change):
    def plant(root):
        for name in ('sample', 'sample_data'):
            table(name, lambda records: [{**r, 'timestamp': change(r['timestamp'])} for r in records])(root)

    return plant


def layer(name, change):
    return edit(MAP, lambda content: change(content[name]))


def splits(**content):
    return lambda root: (root / VERSION / 'splits.json').write_text(json.dumps(content))


def write(file, content):
    return lambda root: (root / file).write_bytes(content)


@pytest.fixture
def root(tiny_root, tmp_path):
    return shutil.copytree(tiny_root, tmp_path / 'root')


def create(root, **arguments):
    return create_data(root, VERSION, root.parent / 'out', show_progress=False, **arguments)


NAN = float('nan')
REFUSED = {
    'null translation': (record('ego_pose', POSE, translation=[None] * 3), f'ego_pose .*{SAMPLE}.*{POSE}.*translation'),
    'NaN translation': (
        record('ego_pose', POSE, translation=[1, NAN, 0]),
        f'{POSE}.*nan, 0]; correct it, or'.replace(']', r'\]'),
    ),
    'no translation': (record('ego_pose', POSE, translation=...), f'{POSE}.*lacks translation, which must be three'),
    'null rotation': (record('ego_pose', POSE, rotation=None), f'{POSE}.*rotation must be a quaternion .*got None'),
    'rotation is a text': (record('ego_pose', POSE, rotation='up'), f'{POSE}.*rotation must be a quaternion'),
    'rotation matrix': (
        record('ego_pose', POSE, rotation=np.eye(3).tolist()),
        'convert the matrix, such as with',
    ),
    'rotation of length 0': (record('ego_pose', POSE, rotation=[0] * 4), rf'{POSE}.*of length 1, got \[0.0, 0.0'),
    'quaternion x, y, z, w': (
        record('ego_pose', POSE, rotation=[0, 0, 0.84, 0.54]),
        f'{POSE}.*order is w, x, y, z',
    ),
    'camera rotation matrix': (record('calibrated_sensor', CAMERA, rotation=np.eye(3).tolist()), f'{CAMERA}.*convert'),
    'null box': (
        record('sample_annotation', 'scene-0061-box1', translation=None),
        'sample_annotation, token .scene-0061-box1.: translation must be three finite',
    ),
    'no intrinsics': (
        record('calibrated_sensor', CAMERA, camera_intrinsic=[]),
        f'{CAMERA}.*must be a finite 3x3 matrix',
    ),
    'NaN intrinsics': (
        record('calibrated_sensor', CAMERA, camera_intrinsic=[[NAN, 0, 1], [0, 1, 1], [0, 0, 1]]),
        f'{CAMERA}.*camera_intrinsic must be a finite 3x3 matrix',
    ),
    'focal length 0': (
        record('calibrated_sensor', CAMERA, camera_intrinsic=[[0, 0, 1], [0, 1, 1], [0, 0, 1]]),
        f'{CAMERA}.*focal lengths of camera_intrinsic must be positive',
    ),
    'distortion of one of two models': (
        record('calibrated_sensor', CAMERA, camera_distortion=[0.1, 0.0, 0.0, 0.0]),
        f'{CAMERA}.*camera_distortion must be 5, 8, 12 or 14 finite numbers .*append k3 = 0; a fisheye lens',
    ),
    "nuImages' fisheye": (
        record('calibrated_sensor', CAMERA, camera_distortion=[0.1, 0.0, 0.0, 0.0, 0.0, 0.2]),
        f'{CAMERA}.*camera_distortion must be',
    ),
    'distortion that leaves nothing': (
        record('calibrated_sensor', CAMERA, camera_distortion=[-20, 0, 0, 0, 0]),
        f'{CAMERA}.*a pinhole lens with the coefficients .* shows .* of the undistorted image',
    ),
    'distortion that is none': (
        record('calibrated_sensor', CAMERA, camera_distortion=['k1']),
        'camera_distortion must be',
    ),
    'timestamp is a text': (
        record('sample', SAMPLE, timestamp='noon'),
        f"sample, token '{SAMPLE}': timestamp .*noon",
    ),
    'timestamp is null': (
        record('sample_data', 'scene-0061-CAM_BACK-3', timestamp=None),
        'sample_data.*got None',
    ),
    'NaN timestamp': (record('sample', SAMPLE, timestamp=NAN), f'{SAMPLE}.*a finite number of micro.* got nan'),
    'circle of samples': (
        record('sample', 'scene-0061-sample2', next='scene-0061-sample0'),
        'sample0.*in a circle',
    ),
    'sample into another scene': (
        record('sample', 'scene-0061-sample2', next='scene-0553-sample0'),
        "scene-0553-sample0.*links `next` of scene scene-0061, .*its scene_token is 'scene-0553-token'",
    ),
    'chain that ends early': (
        record('sample', SAMPLE, next=''),
        'scene-0061-sample2.*1 of the samples .* are not reached',
    ),
    'chain to nowhere': (record('sample', SAMPLE, next='gone'), "table sample has no record 'gone'"),
    'circle of images': (
        record('sample_data', 'scene-0061-CAM_FRONT-2', next='scene-0061-CAM_FRONT-1'),
        'scene-0061-CAM_FRONT-1.*links `next` of CAM_FRONT .* run in a circle',
    ),
    'images of another camera': (
        record('sample_data', 'scene-0061-CAM_FRONT-1', next='scene-0061-CAM_BACK-2'),
        'of CAM_FRONT from .*lead to sensor CAM_BACK',
    ),
    'images of another scene': (
        record('sample_data', 'scene-0061-CAM_FRONT-1', next='scene-0553-CAM_FRONT-1'),
        "of CAM_FRONT from .*lead into scene 'scene-0553-token'",
    ),
    'a keyframe without lidar': (
        table('sample_data', lambda records: [r for r in records if r['token'] != 'scene-0061-LIDAR_TOP-3']),
        f"sample {SAMPLE} of scene-0061 needs LIDAR_TOP and cameras, got .'CAM_BACK', 'CAM_FRONT'",
    ),
    'token twice': (table('sample', lambda records: [*records, records[0]]), "sample0' stands there twice"),
    'no token': (table('log', lambda _: [{'location': 'x'}]), r"log.json .* entry 0, token None, lacks \['token'\]"),
    'no next': (record('sample', SAMPLE, next=...), rf"sample.json .*token '{SAMPLE}', lacks \['next'\]"),
    'no file name': (every('sample_data', filename=...), r"sample_data.json .* lacks \['filename'\]"),
    'token is a list': (
        record('sample_data', 'scene-0061-CAM_FRONT-1', ego_pose_token=['e']),
        r"sample_data.json .*'scene-0061-CAM_FRONT-1': ego_pose_token must be a text, got \['e'\]",
    ),
    'token with a slash': (
        record('sample', SAMPLE, token='a/b'),
        "sample.json .* the token must be fit for the name of a file, got 'a/b'",
    ),
    'sensor without a name': (
        record('sensor', 's-CAM_FRONT', channel=None),
        "sensor.json .*'s-CAM_FRONT': channel must be a text, got None",
    ),
    'camera with a slash': (
        record('sensor', 's-CAM_FRONT', channel='CAM/FRONT'),
        "table sensor, token 's-CAM_FRONT': channel must be a name of letters, .* got 'CAM/FRONT'",
    ),
    'null file name': (every('sample_data', filename=None), 'sample_data.json .* filename must be a text, got None'),
    'keyframe is a text': (every('sample_data', is_key_frame='no'), "is_key_frame must be a whole number, got 'no'"),
    'image height is a text': (every('sample_data', height='48'), "sample_data.json .*height must be .*, got '48'"),
    'box without a size': (
        record('sample_annotation', 'scene-0061-box1', size=None),
        'sample_annotation, token .scene-0061-box1.: size must be three finite numbers, metres, got None',
    ),
    'box without points': (
        record('sample_annotation', 'scene-0061-box1', num_lidar_pts=None),
        "sample_annotation.json .*'scene-0061-box1': num_lidar_pts must be a whole number, got None",
    ),
    'location is a list': (every('log', location=['a']), r"table log, token 'log': location must be .* got \['a'\]"),
    'another release': (
        table('sensor', lambda records: records[:-1]),
        "table sensor has no record 's-LIDAR_TOP', which another table refers to; unpack all",
    ),
    'table is an object': (table('scene', lambda records: {'scenes': records}), 'scene.json .*: it holds an object'),
    'record is null': (table('scene', lambda records: [*records, None]), 'scene.json .*: entry 3 is null'),
    'Latin-1': (
        lambda root: (root / VERSION / 'log.json').write_bytes('[{"token": "log", "x": "Zürich"}]'.encode('latin-1')),
        'log.json is not in UTF-8 .*convert it',
    ),
    'half a table': (write(f'{VERSION}/sample.json', b'[{"token": "a"'), 'sample.json is no JSON'),
    'no location': (every('log', location=...), "table log, token 'log', has no location, .*--infos-only"),
    'map is a list': (write(MAP, b'[]'), 'singapore-onenorth.json must be an object'),
    'holes are a text': (
        layer('polygon', lambda p: p[0].update(holes='none')),
        "map singapore-onenorth.json: polygon 'p0': holes must be a list of records, got 'none'",
    ),
    'map without lines': (
        edit(MAP, lambda m: m.pop('line') and None),
        "'ld' refers to 'l0', .*'line', which is not there",
    ),
    'map without a node': (layer('node', lambda nodes: nodes.pop(5) and None), "polygon 'p0' refers to 'n5', .*'node'"),
    'map without a polygon': (layer('polygon', lambda p: p.pop(1) and None), "ped_crossing 'pc' refers to 'p1'"),
    'map with a null token': (
        layer('stop_line', lambda lines: lines[0].update(polygon_token=None)),
        "map singapore-onenorth.json: stop_line 'sl' refers to None",
    ),
    'map with a null list': (
        layer('line', lambda lines: lines[0].update(node_tokens=None)),
        "line 'l0': node_tokens must be a list of nodes, got None",
    ),
    'map with a null node': (layer('node', lambda nodes: nodes[5].update(x=None)), "node 'n5': x and y must be finite"),
    'old map': (edit(MAP, lambda m: m.update(version='1.2')), 'has version 1.2; version 1.3 is needed'),
    'no map': (lambda root: (root / MAP).unlink(), 'map expansion not found: .*--infos-only'),
    'scene in two splits': (splits(train=['scene-0061'], val=['scene-0061']), "scenes both in 'train' and 'val'"),
    'unknown scene in a split': (
        splits(train=['scene-61']),
        "'train' of .*splits.json names .*'scene-61'; correct",
    ),
    'splits are a list': (write(f'{VERSION}/splits.json', b'["scene-0061"]'), 'splits.json must be a mapping'),
    'split outside the folder': (splits(**{'../train': ['scene-0061']}), "fit for a file name, got '../train'"),
    'no scene in a split': (splits(train=[]), r"no scene of .* is in the splits \['train'\] of .*splits.json"),
}


@pytest.mark.parametrize(('plant', 'message'), REFUSED.values(), ids=REFUSED.keys())
def test_refused(root, plant, message):
    plant(root)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        create(root)
    assert not (root.parent / 'out').exists()


def frames(out, split='train'):
    return pickle.loads((out / f'ssl_bev_infos_{split}.pkl').read_bytes())['data_list']


def same_as_before(out, tiny_data):
    """Up to the rounding of timestamps in other units."""
    for found, expected in zip(frames(out), frames(tiny_data), strict=True):
        assert found['timestamp'] == pytest.approx(expected['timestamp'], abs=1e-3)
        assert [s['token'] for s in found['sweeps']] == [s['token'] for s in expected['sweeps']]
        assert found['images'].keys() == expected['images'].keys()
        np.testing.assert_array_equal(found['ego2global'], expected['ego2global'])


def nested(records):
    """As T4 data sets have it; an object inside may have a token of its own."""
    for found in records:
        found['autolabel_metadata'] = {'models': [{'name': 'm', 'token': 'x'}], 'token': None}


READ = {
    'nested objects': (table('sample_data', nested), ''),
    'nested objects with poses': (table('ego_pose', nested), ''),
    'no image sizes': (every('sample_data', height=..., width=...), ''),
    'byte order mark': (table('sample', lambda _: None, 'utf-8-sig'), ''),
    'UTF-16': (table('scene', lambda _: None, 'utf-16'), ''),
    'null links': (table('sample', lambda records: [{**r, 'next': r['next'] or None} for r in records]), ''),
    'zero distortion': (every('calibrated_sensor', camera_distortion=[0.0] * 5), ''),
    'pinhole distortion': (
        record('calibrated_sensor', CAMERA, camera_distortion=[-0.35, 0.1, 0, 0, 0]),
        "token 'c-CAM_FRONT': distorted images, which are undistorted on loading",
    ),
    "nuImages' pinhole distortion": (
        record('calibrated_sensor', CAMERA, camera_distortion=[-0.35, 0.1, 0, 0, 0, 0]),
        'distorted images, which are undistorted on loading',
    ),
    'nanoseconds': (times(lambda t: t * 1000), 'table sample: timestamps are in nanoseconds'),
    'milliseconds': (times(lambda t: t / 1000), 'table sample_data: timestamps are in milliseconds'),
    'seconds': (times(lambda t: t / 1e6), 'table sample: timestamps are in seconds'),
    'map without holes': (layer('polygon', lambda p: [polygon.pop('holes') for polygon in p] and None), ''),
    'map with null holes': (layer('polygon', lambda p: p[1].update(holes=None)), ''),
    'map with a mark': (edit(MAP, lambda _: None, 'utf-8-sig'), ''),
    'map of version 1.10': (edit(MAP, lambda m: m.update(version='1.10')), ''),
    'own splits': (splits(mini_train=['scene-0061', 'scene-0553'], mini_val=['scene-0103']), ''),
}


@pytest.mark.parametrize(('plant', 'warning'), READ.values(), ids=READ.keys())
def test_read_for_what_it_means(root, tiny_data, plant, warning, caplog):
    plant(root)
    assert create(root) == {'train': 6, 'val': 3}
    same_as_before(root.parent / 'out', tiny_data)
    assert warning in caplog.text
    assert bool(caplog.text) == bool(warning)


def test_cameras_of_other_names(root, tiny_data):
    """A sensor is a camera by its modality, whatever it is called."""
    record('sensor', 's-CAM_FRONT', channel='front', modality='camera')(root)
    create(root)
    images = [frame['images'] for frame in frames(root.parent / 'out')]
    assert all(list(found) == ['CAM_BACK', 'front'] for found in images)
    assert images[0]['front'] == frames(tiny_data)[0]['images']['CAM_FRONT']


def test_seconds_since_the_start(root, caplog):
    """No date tells the unit then, but the time between keyframes does."""
    times(lambda t: (t - 1_500_000_000_000_000) * 1000)(root)
    create(root)
    assert 'timestamps are in nanoseconds' in caplog.text
    assert [frame['timestamp'] for frame in frames(root.parent / 'out')][:3] == [0.0, 0.5, 1.0]


def test_no_map_for_pretraining(root, capsys):
    shutil.rmtree(root / 'maps')
    every('log', location=...)(root)
    out = root.parent / 'out'
    assert create(root, infos_only=True) == {'train': 6, 'val': 3}
    assert sorted(path.name for path in out.iterdir()) == [INFOS, INFOS.replace('train', 'val')]
    assert len(NuScenesBEVDataset(INFOS, [], data_root=str(root), info_root=str(out), with_labels=False)) == 6
    report = check_data(root, [out / INFOS], show_progress=False)
    assert report.is_good
    assert report.warnings == {'maps': 1}
    from tools import check_data as tool

    assert tool.main(['--data-root', str(root), '--info-root', str(out), '--quiet']) == 0
    assert 'what pretraining needs is checked' in capsys.readouterr().out
    with pytest.raises(ValueError, match='labels_only and infos_only exclude each other'):
        create(root, infos_only=True, labels_only=True)


def test_labels_alone_ask_nothing_of_the_lens(root):
    every('calibrated_sensor', camera_distortion=[0.1] * 5)(root)
    assert create(root, labels_only=True) == {'train': 6, 'val': 3}


def test_vehicles_without_lidar(root, caplog):
    """Keyframes are those of CAM_FRONT, 30 ms before the lidar would have been; CAM_BACK fires 10 ms later."""
    table('sample_data', lambda records: [r for r in records if 'LIDAR' not in r['token']])(root)
    assert create(root) == {'train': 6, 'val': 3}
    assert 'no LIDAR_TOP; keyframes take time and pose from their first camera' in caplog.text
    out = root.parent / 'out'
    for frame in (f for keyframe in frames(out) for f in (keyframe, *keyframe['sweeps'])):
        assert 'lidar_points' not in frame
        assert frame['timestamp'] == frame['images']['CAM_FRONT']['timestamp']
        _, bev2cam = frame_cameras(frame, ['CAM_FRONT', 'CAM_BACK'], 'ego')
        np.testing.assert_allclose((bev2cam[0] @ [11.5, 2, 0, 1])[:3], [-2, 1.5, 10], atol=1e-9)
        np.testing.assert_allclose((bev2cam[1] @ [-8, 2, 0, 1])[:3], [2, 1.5, 8 + 0.1], atol=1e-9)
    report = check_data(root, [out / INFOS], with_sweeps=True, show_progress=False)
    assert report.is_good, str(report)


def test_scenes_in_no_split_are_named(root, caplog):
    record('scene', 'scene-0553-token', name='mine')(root)
    assert create(root) == {'train': 3, 'val': 3}
    assert '1 scenes left out, as they are not in the official splits' in caplog.text
    assert 'mine; name them in' in caplog.text
    caplog.clear()
    create(root, exclude_scenes=['mine'])
    assert not caplog.text
    splits(mini_train=['scene-0061', 'mine'], night=['scene-0103'])(root)
    with pytest.raises(ValueError, match=r'has ssl_bev_infos_val\.pkl of an earlier run'):
        create(root)
    (root.parent / 'out' / 'ssl_bev_infos_val.pkl').unlink()
    assert create(root) == {'train': 6, 'night': 3}
    assert len(frames(root.parent / 'out', 'night')) == 3


def test_time_that_runs_backwards_makes_no_history(root, caplog):
    times(lambda t: 3 * 10**15 - t)(root)
    create(root)
    assert 'scene scene-0061: time stands still or runs backwards at 2 of 3 keyframes' in caplog.text
    out = root.parent / 'out'
    windows = NuScenesBEVDataset(INFOS, [], data_root=str(root), info_root=str(out), num_frames=2)
    assert not any(window['frame_valid'][0] for window in windows)
    assert 'timestamps of the frame, its sweeps and the next frame do not increase' in str(
        check_data(root, [out / INFOS], show_progress=False)
    )
