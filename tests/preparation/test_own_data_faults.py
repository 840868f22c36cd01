"""Each mistake in a drives file or a label raster is an error that names file, line, key, rule, value and remedy."""

import copy
import json
import re

import cv2
import numpy as np
import own_drive
import pytest

from ssl_bev.preparation.own_data import create_own_data, read_drives, read_label_raster

HALF = float(np.sqrt(0.5))
# Lines of the file: 1 format, 2 rig, 3 scene, 4 to 7 frames.
RIG, SCENE, FRAME = 2, 3, 5
FRONT = ('cameras', 'front')


@pytest.fixture(scope='module')
def good():
    return own_drive.drive({'front': (48, 64), 'back': (48, 64)})


def put(line, *keys_and_value):
    """Set a key of a line; a value of `...` takes it out."""

    def change(lines):
        *keys, last, value = keys_and_value
        content = lines[line - 1]
        for key in keys:
            content = content[key]
        if value is ...:
            del content[last]
        else:
            content[last] = value

    return change


def rotate(*quaternion):
    return {'translation': [0, 0, 0], 'rotation_wxyz': list(quaternion)}


LIDAR = {'lidar_to_vehicle': rotate(1, 0, 0, 0), 'num_features': 4}
FAULTS = {
    # the file
    'no format first': (lambda lines: lines.pop(0), r'line 1 \(rig .car.\): type comes before the format; its first'),
    'format twice': (lambda lines: lines.insert(1, lines[0]), r'line 2 .*type is twice'),
    'another version': (put(1, 'version', 2), 'line 1 .*version must be a whole number from 1 to 1, got 2'),
    'another format': (put(1, 'name', 'nuscenes'), r"name must be one of \['ssl_bev drives'\], got 'nuscenes'"),
    'no pixel centres': (put(1, 'pixel_centers', ...), "line 1 .*must have the key 'pixel_centers', got"),
    'unknown pixel centres': (put(1, 'pixel_centers', 0.5), r"pixel_centers must be one of \['integer', 'half'\]"),
    'type of no line': (put(SCENE, 'type', 'drive'), 'line 3: must be an object whose type is one of .*format.*frame'),
    'type is a list': (put(SCENE, 'type', ['scene']), 'line 3: must be an object whose type is one of'),
    'line is a list': (lambda lines: lines.insert(2, []), 'line 3: must be an object whose type'),
    'unknown key': (
        put(FRAME, 'image', {}),
        r"line 5 \(frame 'drive-1'\): image is no known key; did you mean 'images'",
    ),
    'unknown deep key': (put(FRAME, 'images', 'front', 'file', 'x'), r'images.front.file is no known key; known: '),
    # the rig
    'no cameras': (put(RIG, 'cameras', {}), 'cameras must be an object with at least one camera, got {}'),
    'rig twice': (lambda lines: lines.insert(2, lines[1]), "line 3 .*name is there already, got 'car'; give each"),
    'intrinsics as a matrix': (
        put(RIG, *FRONT, 'intrinsics', [[9, 0, 5], [0, 9, 4], [0, 0, 1]]),
        'cameras.front.intrinsics must be an object with fx, fy, cx, cy, got',
    ),
    'focal length 0': (put(RIG, *FRONT, 'intrinsics', 'fx', 0), 'intrinsics.fx must be a finite number of pixels from'),
    'NaN centre': (put(RIG, *FRONT, 'intrinsics', 'cx', float('nan')), 'intrinsics.cx must be .* got nan'),
    'width is a text': (
        put(RIG, *FRONT, 'width', '64'),
        "front.width must be a whole number from 1 to 65536, got '64'",
    ),
    'no height': (put(RIG, *FRONT, 'height', ...), "cameras.front must have the key 'height'"),
    'camera with a slash': (put(RIG, 'cameras', {'a/b': {}}), "cameras.a/b must be a name of letters, .* got 'a/b'"),
    'rotation without order': (
        put(RIG, *FRONT, 'camera_to_vehicle', {'translation': [0, 0, 1], 'rotation': [1, 0, 0, 0]}),
        'camera_to_vehicle.rotation is no known key; does it begin or end with w',
    ),
    'rotation with w last': (
        put(RIG, *FRONT, 'camera_to_vehicle', {'translation': [0, 0, 1], 'rotation_xyzw': [0, 0, 0, 1]}),
        'rotation_xyzw is no known key; put w first',
    ),
    'pose as a matrix': (
        put(RIG, *FRONT, 'camera_to_vehicle', {'matrix': np.eye(4).tolist()}),
        'camera_to_vehicle.matrix is no known key; write translation and rotation_wxyz; .*from_matrix',
    ),
    'rotation of three numbers': (
        put(RIG, *FRONT, 'camera_to_vehicle', rotate(0, 0, 1)),
        'rotation_wxyz must be a list of 4 finite numbers, the quaternion w, x, y, z, got',
    ),
    'rotation of length 2': (
        put(RIG, *FRONT, 'camera_to_vehicle', rotate(2, 0, 0, 0)),
        r'camera_to_vehicle.rotation_wxyz must have the length 1, got \[2.0',
    ),
    'null translation': (
        put(RIG, *FRONT, 'camera_to_vehicle', 'translation', None),
        'translation must be a list of 3 finite numbers, x, y, z in metres, got null',
    ),
    'unknown lens': (
        put(RIG, *FRONT, 'distortion', {'model': 'omni', 'coefficients': [0] * 4}),
        r"front.distortion.model must be one of \['pinhole', 'fisheye'\], got 'omni'",
    ),
    'lens without model': (put(RIG, *FRONT, 'distortion', {'coefficients': [0] * 4}), "must have the key 'model'"),
    'coefficients of another model': (
        put(RIG, *FRONT, 'distortion', {'model': 'fisheye', 'coefficients': [0.1] * 5}),
        'front.distortion.coefficients must be 4 numbers for the model fisheye, got .*in OpenCV',
    ),
    'three coefficients': (
        put(RIG, *FRONT, 'distortion', {'model': 'pinhole', 'coefficients': [0.1] * 3}),
        'coefficients must be 4 or 5 or 8 or 12 or 14 numbers for the model pinhole',
    ),
    'NaN coefficient': (
        put(RIG, *FRONT, 'distortion', {'model': 'fisheye', 'coefficients': [0, 0, 0, float('nan')]}),
        'front.distortion.coefficients.3 must be a finite number .* got nan',
    ),
    'coefficients that leave nothing': (
        put(RIG, *FRONT, 'distortion', {'model': 'pinhole', 'coefficients': [-9, 0, 0, 0]}),
        r"rig 'car'.*cameras.front.distortion is implausible: .* shows .*; or choose another size",
    ),
    'undistorted without a lens': (
        put(
            RIG,
            *FRONT,
            'undistorted',
            {'width': 9, 'height': 9, 'intrinsics': dict.fromkeys(('fx', 'fy', 'cx', 'cy'), 9)},
        ),
        'cameras.front.undistorted needs a distortion; add it',
    ),
    'lidar without features': (
        put(RIG, 'lidar', {'lidar_to_vehicle': rotate(1, 0, 0, 0)}),
        "lidar must have the key 'num_features'",
    ),
    # the scene
    'scene of an unknown rig': (put(SCENE, 'rig', 'van'), r"rig must be one of the lines before it, got 'van'; these"),
    'scene twice': (lambda lines: lines.insert(3, lines[2]), "line 4 .*name is there already, got 'drive'"),
    'split with a slash': (put(SCENE, 'split', '../train'), 'split must be a name of letters'),
    'raster is a number': (put(SCENE, 'label_raster', 3), 'label_raster must be the path of a file, got 3'),
    'raster is missing': (put(SCENE, 'label_raster', 'town.npz'), 'label_raster: no file .*town.npz'),
    # frames
    'frame of an unknown scene': (put(FRAME, 'scene', 'x'), "scene must be one of the lines before it, got 'x'"),
    'frame before its scene': (
        lambda lines: lines.insert(2, lines.pop(3)),
        r"line 3 .*scene must be one of the lines before it, got 'drive'; these are \[\]",
    ),
    'token twice': (put(FRAME, 'token', 'drive-0'), r'line 5 .*token stands at .*drives.jsonl, line 4 too, got'),
    'token with a slash': (put(FRAME, 'token', 'a/0'), r"token must be a name .*got 'a/0'"),
    'milliseconds': (put(FRAME, 'timestamp', 1.5e12), 'timestamp must be a finite number of seconds .*divide milli'),
    'timestamp is null': (put(FRAME, 'timestamp', None), 'timestamp must be .* got null'),
    'time stands still': (
        put(FRAME, 'timestamp', 1000),
        r"timestamp must be above 1000.0 of frame 'drive-0' .*sort the",
    ),
    'vehicle on its roof': (
        put(FRAME, 'vehicle_to_world', rotate(0, 1, 0, 0)),
        'vehicle_to_world.rotation_wxyz puts the vehicle on its side or roof, .*is w first',
    ),
    'w last in a turn': (put(FRAME, 'vehicle_to_world', rotate(0, 0, HALF, HALF)), 'puts the vehicle on its side'),
    'pose is null': (put(FRAME, 'vehicle_to_world', None), 'vehicle_to_world must be an object with translation, rot'),
    'no images': (put(FRAME, 'images', {}), 'images must be an object with at least one image'),
    'unknown camera': (
        put(FRAME, 'images', 'left', {'path': 'a.png'}),
        r"images.left is no camera of the rig; it has \['front', 'back'\]",
    ),
    'image without path': (put(FRAME, 'images', 'front', {}), "images.front must have the key 'path', got"),
    'backslashes': (
        put(FRAME, 'images', 'front', 'path', 'a\\b.png'),
        'front.path must be a path with slashes, .*write /',
    ),
    'one image for two cameras': (
        put(FRAME, 'images', 'front', 'path', 'images/back/001.png'),
        "images must be another file for each camera, got 'images/back/001.png'",
    ),
    'image of another time': (
        put(FRAME, 'images', 'front', 'timestamp', 1e9),
        r"images.front.timestamp must be within 1 s of the frame's 1000.2, got",
    ),
    'image is missing': (
        put(FRAME, 'images', 'front', 'path', 'gone.png'),
        r"line 5 \(frame 'drive-1'\): image not found: .*gone.png \(1 are missing\); mend",
    ),
    'lidar file is missing': (
        lambda lines: (put(RIG, 'lidar', LIDAR)(lines), put(FRAME, 'lidar', 'gone.bin')(lines)),
        r"line 5 \(frame 'drive-1'\): lidar file not found: .*gone.bin \(1 are missing\); mend",
    ),
    'points of no lidar': (put(FRAME, 'lidar', 'a.bin'), 'lidar needs a rig with a lidar, got .*describe it'),
    'keyframe is a number': (put(FRAME, 'is_keyframe', 1), 'is_keyframe must be true or false, got 1'),
    'no frame': (lambda lines: lines.__delitem__(slice(3, None)), 'drives.jsonl: no frame'),
    'no keyframe': (
        lambda lines: [line.update(is_keyframe=False) for line in lines[3:]],
        'drives.jsonl have no keyframe',
    ),
}


@pytest.mark.parametrize(('change', 'message'), FAULTS.values(), ids=FAULTS.keys())
def test_refused(good, tmp_path, change, message):
    lines = copy.deepcopy(good)
    change(lines)
    (tmp_path / 'images').mkdir()
    for line in good[3:]:
        for image in line['images'].values():
            (tmp_path / image['path']).parent.mkdir(exist_ok=True)
            (tmp_path / image['path']).touch()
    file = tmp_path / 'drives.jsonl'
    file.write_text('\n'.join(map(json.dumps, lines)))
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        create_own_data(tmp_path, [file], tmp_path / 'out', show_progress=False)
    assert re.search(message, str(caught.value)), str(caught.value)
    assert not (tmp_path / 'out').exists()


FILES = {
    'empty': (b'', 'drives.jsonl is empty; its first line must be {"type": "format"'),
    'no JSON': (b'{"type": ', 'line 1: is no JSON: .*; each line holds one whole object'),
    'half a line': (b'{"type":\n"format"}', 'line 1: is no JSON'),
    'a key twice': (b'{"type": "format", "type": "rig"}', 'line 1: type stands there twice'),
    'Latin-1': ('{"type": "formät"}'.encode('latin-1'), 'is not in UTF-8 .*; convert it'),
    'deep': (b'[' * 100_000, 'line 1: is no JSON'),
    'zeros': (bytes(64), 'drives.jsonl'),
    'a picture': (b'\x89PNG\r\n\x1a\n' + bytes(range(256)), 'drives.jsonl'),
}


@pytest.mark.parametrize(('content', 'message'), FILES.values(), ids=FILES.keys())
def test_no_drives_file(tmp_path, content, message):
    file = tmp_path / 'drives.jsonl'
    file.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_drives([file])


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_encodings_notes_and_empty_lines(good, tmp_path, encoding):
    file = tmp_path / 'drives.jsonl'
    lines = [{'_note': 'a name with a line separator \u2028', **line} for line in good]
    file.write_text('\r\n\r\n'.join(json.dumps(line, ensure_ascii=False) for line in lines), encoding=encoding)
    (scene,) = read_drives([file])
    assert [frame.token for frame in scene.frames] == [f'drive-{index}' for index in range(4)]
    assert scene.frames[3].where.startswith(f"{file}, line 13 (frame 'drive-3')")


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'every': 0}, '--every must be at least 1, got 0'),
        ({'min_distance': -1}, '--min-distance must be at least 0, got -1'),
        ({'min_distance': float('nan')}, '--min-distance must be at least 0, got nan'),
        ({'labels_only': True}, 'labels_only: no scene or frame of --drives has a label_raster, so nothing would be'),
        ({'exclude_scenes': ['x']}, '--exclude-scenes: no scene is called x'),
        ({'exclude_scenes': ['drive']}, '--exclude-scenes: no frame is left'),
        ({'root': 'nowhere'}, '--data-root: no folder nowhere'),
        ({'labels_only': True, 'infos_only': True}, 'exclude each other'),
        ({'label_dir': 'a/b'}, 'label_dir must be the name of a folder'),
        ({'drives': ['nowhere.jsonl']}, '--drives: no file nowhere.jsonl'),
    ],
)
def test_arguments(good, tmp_path, arguments, message):
    file = own_drive.write(tmp_path / 'root', good)
    settings = dict(root=tmp_path / 'root', drives=[file], out=tmp_path / 'out', show_progress=False)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        create_own_data(**settings | arguments)
    assert not (tmp_path / 'out').exists()


RASTER = dict(layers=np.ones((1, 4, 4), np.uint8), classes=['road'], x_min=0.0, y_min=0.0, resolution=0.5)
SIDECAR = dict(
    picture='town.png', x_min=0, y_min=0, resolution=0.5, first_row='lowest_y', values={'0': None, '1': ['road']}
)
RASTERS = {
    'values': ({'layers': np.full((1, 4, 4), 7, np.uint8)}, r'layers must be 0, 1 or 255 = unknown, got \[7\]'),
    'floats': ({'layers': np.ones((1, 4, 4))}, r'layers must be \(classes, rows, columns\) uint8, got'),
    'too few names': ({'layers': np.ones((2, 4, 4), np.uint8)}, 'classes must be 2 names, one for each layer, got'),
    'unknown line': ({'lines': ['paint']}, r"lines must be among the classes \['road'\], got \['paint'\]"),
    'resolution 0': ({'resolution': 0}, 'resolution must be a finite number of metres from 0.001 to 100, got 0'),
    'no place': ({'x_min': ...}, "must have the key 'x_min', got"),
    'a pickle': ({'classes': np.array([{}], object)}, 'is no .npz of plain arrays'),
}
SIDECARS = {
    'unknown key': ({'origin': [0, 0]}, 'origin is no known key'),
    'no first row': ({'first_row': ...}, "must have the key 'first_row'"),
    'another first row': ({'first_row': 'top'}, r"first_row must be one of \['lowest_y', 'highest_y'\], got 'top'"),
    'value without meaning': ({'values': {'0': []}}, r'values must say what each value .*, got \[1\]; null: unknown'),
    'meaning is a text': ({'values': {'0': None, '1': 'road'}}, "values.1 must be a list of names, got 'road'"),
    'value above 255': ({'values': {'0': None, '1': [], '300': []}}, 'values.300 must be a value of a pixel, 0 to 255'),
    'no picture': ({'picture': 'gone.png'}, 'picture not found: .*gone.png'),
}


@pytest.mark.parametrize(('change', 'message'), RASTERS.values(), ids=RASTERS.keys())
def test_rasters(tmp_path, change, message):
    content = {key: value for key, value in (RASTER | change).items() if value is not ...}
    np.savez(tmp_path / 'town.npz', **content)
    with pytest.raises(ValueError, match=f'label raster .*town.npz: .*{message}'):
        read_label_raster(tmp_path / 'town.npz')


@pytest.mark.parametrize(('change', 'message'), SIDECARS.values(), ids=SIDECARS.keys())
def test_pictures_as_rasters(tmp_path, change, message):
    cv2.imwrite(str(tmp_path / 'town.png'), np.array([[0, 1], [1, 1]], np.uint8))
    content = {key: value for key, value in (SIDECAR | change).items() if value is not ...}
    (tmp_path / 'town.json').write_text(json.dumps(content))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_label_raster(tmp_path / 'town.json')


def test_other_files_as_rasters(tmp_path):
    with pytest.raises(FileNotFoundError, match='label_raster: no file'):
        read_label_raster(tmp_path / 'town.npz')
    for name, message in (('town.npz', 'is no .npz'), ('town.json', 'is no JSON'), ('town.tif', 'must be an .npz, or')):
        (tmp_path / name).write_text('x')
        with pytest.raises(ValueError, match=message):
            read_label_raster(tmp_path / name)
