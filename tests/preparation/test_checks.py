"""Each kind of damage is found, and named."""

import copy
import json
import pickle
import re
import shutil

import cv2
import numpy as np
import pytest
from tiny_nuscenes import IMAGE_SIZE

from ssl_bev.files import write_png
from ssl_bev.preparation.checks import check_data
from ssl_bev.preparation.checks.report import Report
from ssl_bev.pseudo_labels import PseudoLabelWriter

INFOS = ('ssl_bev_infos_train.pkl', 'ssl_bev_infos_val.pkl')
IMAGE = 'samples/CAM_BACK/scene-0061-CAM_BACK-3.jpg'
LIDAR = 'samples/LIDAR_TOP/scene-0061-LIDAR_TOP-{}.jpg'
LABEL = 'bev_labels/scene-0061-sample1.png'
PSEUDO = 'pseudo/labels/CAM_BACK/scene-0061-CAM_BACK-3.png'


@pytest.fixture(scope='module')
def prepared(tiny_root, tiny_data, tmp_path_factory):
    """Images, maps, info files, BEV labels and pseudo-labels of keyframes in one folder; read only."""
    folder = tmp_path_factory.mktemp('prepared') / 'data'
    shutil.copytree(tiny_root, folder)
    shutil.copytree(tiny_data, folder, dirs_exist_ok=True)
    with PseudoLabelWriter(folder / 'pseudo', 'teacher', '0' * 64, ['road', 'paint']) as writer:
        for path in (folder / 'samples').rglob('*.jpg'):
            ids = np.zeros(IMAGE_SIZE, np.uint8)
            writer.write(path.parent.name, path.stem, ids, np.full(IMAGE_SIZE, 255, np.uint8))
    (folder / 'samples' / 'LIDAR_TOP').mkdir()
    for path in (folder / 'samples' / 'CAM_BACK').glob('*.jpg'):
        np.ones((4, 5), np.float32).tofile(
            folder / 'samples' / 'LIDAR_TOP' / path.name.replace('CAM_BACK', 'LIDAR_TOP')
        )
    return folder


@pytest.fixture
def data(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / 'data')


def check(data, **arguments):
    settings = {'label_dirs': [data / 'bev_labels'], 'pseudo_labels': [data / 'pseudo'], 'show_progress': False}
    return check_data(data, [data / name for name in INFOS], **settings | arguments)


@pytest.mark.parametrize('arguments', [{}, {'full': True, 'num_workers': 2}], ids=['fast', 'full'])
def test_good_data_pass(prepared, arguments):
    report = check(prepared, **arguments)
    assert report.is_good, str(report)
    assert report.checked == {
        'info files': 2,
        'sequences': 3,
        'calibration': 18,
        'maps': 1,
        'images': 18,
        'lidar': 9,
        'BEV labels bev_labels': 9,
        'pseudo-labels pseudo': 18,
    }
    # Two sweeps follow two of the three keyframes of each scene; they have no pseudo-labels.
    with_sweeps = check(prepared, with_sweeps=True, **arguments)
    assert with_sweeps.checked['images'] == 3 * 7 * 2
    assert with_sweeps.errors == {'pseudo-labels pseudo': 3 * 4 * 2}


def damage_frame(number, change, file=INFOS[0]):
    """Change one frame of an info file."""

    def damage(data):
        content = pickle.loads((data / file).read_bytes())
        change(content['data_list'][number])
        (data / file).write_bytes(pickle.dumps(content))

    return damage


def camera(change, name='CAM_BACK'):
    return lambda frame: change(frame['images'][name])


def multiply(key, matrix):
    """Multiply a matrix of a frame or camera from the right."""
    return lambda entry: entry.update({key: (np.array(entry[key]) @ matrix).tolist()})


def turn(entry, matrix):
    """Turn a camera in its own frame."""
    entry['lidar2cam'] = (matrix @ entry['lidar2cam']).tolist()


def mount(entry, matrix):
    """Turn a camera in its own frame, wherever its calibration stands."""
    turn(entry, matrix)
    entry['cam2ego'] = (entry['cam2ego'] @ np.linalg.inv(matrix)).tolist()


def three_look_inwards(frame):
    frame['images']['CAM_REAR'] = copy.deepcopy(frame['images']['CAM_BACK'])
    for entry in frame['images'].values():
        turn(entry, HALF_TURN)


def shifted(x, y, z):
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return matrix


def overwrite(path, content):
    return lambda data: (data / path).write_bytes(content)


def picture(path, shape, value=0, dtype=np.uint8):
    def damage(data):
        if path.endswith('.png'):
            write_png(data / path, np.full(shape, value, dtype))
        else:
            cv2.imwrite(str(data / path), np.full(shape, value, dtype))

    return damage


def truncated(path):
    return lambda data: (data / path).write_bytes((data / path).read_bytes()[:-30])


def remove(path):
    return lambda data: (data / path).unlink()


def shift_one_scene(data):
    """The first scene 9 km further north: outside its map."""
    content = pickle.loads((data / INFOS[0]).read_bytes())
    for frame in content['data_list'][:3]:
        frame['ego2global'] = (shifted(0, 9000, 0) @ frame['ego2global']).tolist()
    (data / INFOS[0]).write_bytes(pickle.dumps(content))


def forget_motion(data):
    """lidar2cam by cam2ego alone, as if camera and lidar fired at the same time."""
    for name in INFOS:
        content = pickle.loads((data / name).read_bytes())
        for frame in content['data_list']:
            for entry in frame['images'].values():
                entry['lidar2cam'] = (np.linalg.inv(entry['cam2ego']) @ frame['lidar_points']['lidar2ego']).tolist()
        (data / name).write_bytes(pickle.dumps(content))


def duplicate_token(data):
    content = pickle.loads((data / INFOS[0]).read_bytes())
    content['data_list'].append(content['data_list'][0])
    (data / INFOS[0]).write_bytes(pickle.dumps(content))


def old_map(data):
    path = data / 'maps' / 'expansion' / 'singapore-onenorth.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | {'version': '1.0'}))


def other_version(data):
    path = data / 'bev_labels' / 'manifest.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | {'version': 'v1.0-trainval'}))


SAMPLE = 'scene-0061-sample1'
HALF_TURN = np.diag([-1.0, 1, -1, 1])  # about the camera's y axis
DAMAGES = {
    'info file missing': (remove(INFOS[0]), 'info files: ann_file not found: .*train.pkl; make it with'),
    'info file broken': (truncated(INFOS[1]), 'info files: .*val.pkl is no complete pickle'),
    'no temporal fields': (damage_frame(1, lambda f: f.pop('prev')), r"needs an info file with temporal .*\['prev'\]"),
    'duplicate': (duplicate_token, 'info files: .*2 frames have the token scene-0061-sample0'),
    'wrong link': (
        damage_frame(1, lambda f: f.update(next='x')),
        f"sequences: frame {SAMPLE} .*: next is 'x', expected",
    ),
    'frame index': (damage_frame(1, lambda f: f.update(frame_index=7)), 'frame_index is 7, expected 2'),
    'time': (damage_frame(1, lambda f: f.update(timestamp=f['timestamp'] - 5)), 'timestamps .* do not increase'),
    'two locations': (
        damage_frame(2, lambda f: f.update(location='x')),
        "location 'x' differs from 'singapore-onenorth'",
    ),
    'map missing': (
        remove('maps/expansion/singapore-onenorth.json'),
        "maps: location 'singapore-onenorth': .*not found",
    ),
    'map version': (old_map, 'maps: .*has version 1.0; version 1.3 is needed'),
    'outside the map': (shift_one_scene, 'maps: scene-0061: 3 of 3 ego poses lie outside map singapore-onenorth'),
    'no rotation': (
        damage_frame(1, camera(multiply('lidar2cam', np.diag([1.1, 1, 1, 1])))),
        f'calibration: frame {SAMPLE} of scene-0061: CAM_BACK: lidar2cam must hold a rotation',
    ),
    'reflection': (damage_frame(1, multiply('ego2global', np.diag([1.0, -1, 1, 1]))), 'ego2global: .*a reflection'),
    'not finite': (
        damage_frame(1, lambda f: f['lidar_points']['lidar2ego'].__setitem__(0, [np.nan] * 4)),
        f'frame {SAMPLE}: lidar2ego must be a finite 4x4 matrix, got',
    ),
    'focal length': (
        damage_frame(1, camera(multiply('cam2img', np.diag([0, 1, 1])))),
        'CAM_BACK: focal lengths must be',
    ),
    'field of view': (
        damage_frame(1, camera(multiply('cam2img', np.diag([20, 20, 1])))),
        'a focal length of 1200 px at a width of 96 is a field of view of 5 degrees',
    ),
    'principal point': (
        damage_frame(1, camera(lambda c: c.update(cam2img=[[60, 0, 900], [0, 60, 20], [0, 0, 1]]))),
        r'principal point \(900, 20\) is far from the middle of 96 x 48',
    ),
    'under the road': (damage_frame(1, camera(multiply('lidar2cam', shifted(0, 0, 3)))), 'the camera is -1.50 m above'),
    'all look inwards': (
        damage_frame(1, three_look_inwards),
        f'calibration: frame {SAMPLE} .*: all cameras look towards the middle of the car',
    ),
    'looks into the sky': (
        damage_frame(1, camera(lambda c: turn(c, np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])))),
        'CAM_BACK: the camera looks into the sky',
    ),
    'another ego pose': (
        damage_frame(1, camera(multiply('lidar2cam', shifted(0, 0.8, 0)))),
        r'CAM_BACK: lidar2cam and cam2ego say that the car moved \[-1.0, 0.0, 0.0\] m in -20 ms; by its velocity it is '
        r'\[-0.2, ',
    ),
    'motion forgotten': (forget_motion, 'calibration: lidar2cam holds 0% of the way that the car goes'),
    'image missing': (remove(IMAGE), f'images: CAM_BACK of frame {SAMPLE}: picture not found: .*CAM_BACK-3.jpg'),
    'image empty': (overwrite(IMAGE, b''), f'images: CAM_BACK of frame {SAMPLE}: .*CAM_BACK-3.jpg, 0 bytes'),
    'image size': (picture(IMAGE, (50, 96, 3)), r'CAM_BACK-3.jpg .* is \(50, 96\) .*the info file says \(48, 96\)'),
    'lidar missing': (remove(LIDAR.format(3)), f'lidar: frame {SAMPLE}: lidar file not found: .*LIDAR_TOP-3'),
    'lidar empty': (
        overwrite(LIDAR.format(0), b''),
        'lidar: frame scene-0061-sample0: .*LIDAR_TOP-0.jpg holds no point',
    ),
    'label missing': (remove(LABEL), f'BEV label of frame {SAMPLE} is missing or empty'),
    'labels of another version': (other_version, 'bev_labels was made from v1.0-trainval, .*train.pkl from v1.0-mini'),
    'no label manifest': (remove('bev_labels/manifest.json'), 'BEV labels bev_labels: BEV label manifest not found'),
    'pseudo-label missing': (
        remove(PSEUDO),
        f'pseudo: frame {SAMPLE}: .*no label and confidence of CAM_BACK/scene-0061',
    ),
    'no pseudo manifest': (remove('pseudo/manifest.json'), 'pseudo-labels pseudo: pseudo-label manifest not found'),
}
FULL_DAMAGES = {
    'image truncated': (truncated(IMAGE), f'images: CAM_BACK of frame {SAMPLE}: picture is truncated'),
    'lidar truncated': (
        truncated(LIDAR.format(3)),
        f'lidar: frame {SAMPLE}: .*-3.jpg: 12 numbers are no rows of load_dim=5',
    ),
    'lidar not finite': (
        overwrite(LIDAR.format(3), np.full((2, 5), np.nan, np.float32).tobytes()),
        f'lidar: frame {SAMPLE}: 2 of 2 points of .*LIDAR_TOP-3.jpg are not finite',
    ),
    'label truncated': (truncated(LABEL), f'bev_labels: picture is truncated: .*BEV label of frame {SAMPLE}'),
    'label size': (picture(LABEL, (10, 10), 0, np.uint16), r'must be \(120, 240\) uint16 .*, got \(10, 10\)'),
    'label bits': (picture(LABEL, (120, 240), 32, np.uint16), 'has bits beyond the 5 classes of the manifest'),
    'pseudo-label truncated': (truncated(PSEUDO), f'pseudo: frame {SAMPLE}: picture is truncated'),
    'pseudo-label size': (picture(PSEUDO, (10, 10)), 'pseudo-labels pseudo: frame .*10, 10'),
    'pseudo-label ids': (picture(PSEUDO, IMAGE_SIZE, 7), r'pseudo-labels pseudo: frame .*ids \[7\]'),
}


@pytest.mark.parametrize(('damage', 'message'), DAMAGES.values(), ids=DAMAGES.keys())
def test_fast_checks_find(data, damage, message):
    damage(data)
    report = check(data)
    assert not report.is_good
    assert re.search(f'error: .*{message}', str(report)), str(report)


@pytest.mark.parametrize(('damage', 'message'), FULL_DAMAGES.values(), ids=FULL_DAMAGES.keys())
def test_full_checks_find(data, damage, message):
    damage(data)
    assert check(data).is_good, 'fast checks do not look into every picture'
    report = check(data, full=True)
    assert re.search(f'error: .*{message}', str(report)), str(report)
    assert report.errors.total() == 1


@pytest.mark.parametrize(
    ('cam2img', 'oddity'),
    [
        ([[400, 0, 48], [0, 400, 20], [0, 0, 1]], ''),
        ([[60, 0, 48], [0, 120, 20], [0, 0, 1]], 'pixels are 0.50 times as wide as high'),
        ([[60, 0, -20], [0, 60, 20], [0, 0, 1]], 'the principal point is at -20 of 96 columns'),
    ],
    ids=['long lens', 'resized to another shape', 'cropped to one side'],
)
def test_unusual_optics_are_no_error(data, cam2img, oddity):
    for number in range(3):
        damage_frame(number, camera(lambda c: c.update(cam2img=cam2img)))(data)
    report = check(data)
    assert report.is_good, str(report)
    assert (f'CAM_BACK: {oddity}' in str(report)) == bool(oddity)


def test_cameras_alone_need_no_lidar(data):
    shutil.rmtree(data / 'samples' / 'LIDAR_TOP')
    report = check(data, full=True)
    assert report.is_good and 'lidar' not in report.warnings
    assert report.checked['lidar'] == 0


def test_the_first_keyframe_of_a_scene_is_read_whole_by_fast_checks_too(data):
    truncated('samples/CAM_FRONT/scene-0103-CAM_FRONT-0.jpg')(data)
    assert 'picture is truncated' in str(check(data))


def test_warnings_do_not_fail(data):
    """A pose that jumps, labels off the road, a class that never occurs: real nuScenes has all of them."""
    for name in ('sample0', 'sample1', 'sample2'):
        picture(f'bev_labels/scene-0103-{name}.png', (120, 240), 0b110, np.uint16)(data)
    report = check(data, full=True)
    assert report.is_good
    assert 'warning: BEV labels bev_labels: scene-0103: the ego car is off the drivable area in 3 labels' in str(report)
    for path in (data / 'bev_labels').glob('*.png'):
        write_png(path, np.ones((120, 240), np.uint16))
    assert "classes ['lane_divider', 'road_divider', 'ped_crossing', 'stop_line'] are in no" in str(
        check(data, full=True)
    )
    damage_frame(1, lambda frame: frame.update(ego2global=(shifted(0, 40, 0) @ frame['ego2global']).tolist()))(data)
    assert 'warning: sequences: frame scene-0061-sample1 of scene-0061: the ego pose jumps 40.3 m in 0.50' in str(
        check(data)
    )


def test_unusual_rigs_are_odd_but_not_wrong(data):
    """A camera that hangs upside down, one that stands behind another, one lying on its side: all may be right."""
    quarter_turn = np.array([[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    for number, change in enumerate([np.diag([-1, -1, 1, 1]), HALF_TURN, quarter_turn]):
        damage_frame(2 * number, camera(lambda c, change=change: mount(c, change)))(data)
    report = check(data)
    assert report.is_good, str(report)
    assert report.warnings['calibration'] == 3  # frames 0 and 2 of one scene, 4 of another
    assert re.search(
        'warning: calibration: frame scene-0061-sample0 .*: CAM_BACK: the camera is not upright', str(report)
    )
    assert 'CAM_BACK: the camera looks towards the middle of the cameras' in str(report)


def test_two_cameras_may_look_across_the_bonnet(data):
    for number in range(3):
        damage_frame(number, lambda f: [mount(c, HALF_TURN) for c in f['images'].values()])(data)
    report = check(data)
    assert report.is_good, str(report)
    assert report.warnings['calibration'] == 2  # once for each camera of the scene
    assert str(report).count('the camera looks towards the middle of the cameras') == 2


def test_frames_that_lack_a_camera_are_counted(data):
    damage_frame(0, lambda frame: frame['images'].pop('CAM_BACK'))(data)
    report = check(data)
    assert report.is_good
    assert 'warning: calibration: 1 of 9 frames lack CAM_BACK, such as scene-0061-sample0' in str(report)


def test_messages_are_limited_but_counted(data):
    shutil.rmtree(data / 'samples')
    text = str(check(data, max_messages=3))
    assert text.count('error: images') == 3
    assert 'images: 15 more' in text
    report = Report()
    report.error('a check', 'nothing was checked')
    assert re.search(r'a check +0 +1 +0', str(report))


def test_tool(prepared, data, capsys, monkeypatch):
    from tools import check_data as tool

    arguments = ['--data-root', str(data), '--pseudo-labels', str(data / 'pseudo'), '--quiet', '--full']
    assert tool.main(arguments) == 0
    assert 'all is well' in capsys.readouterr().out
    remove(IMAGE)(data)
    assert tool.main(arguments) == 1
    assert '1 errors' in capsys.readouterr().out.splitlines()[-1]
    with pytest.raises(SystemExit, match=r'error: no .*make them with tools/create_data.py'):
        tool.main(['--data-root', str(data / 'samples')])


def test_pictures_for_a_person(data, tmp_path):
    """Evenly spread over all keyframes; a camera whose image is gone is left out, which the check of images says."""
    (data / 'samples/CAM_BACK/scene-0061-CAM_BACK-0.jpg').unlink()
    report = check(data, pictures=tmp_path / 'pictures', num_pictures=3)
    assert report.checked['pictures'] == 3
    assert report.errors == {'images': 1}
    names = sorted(path.stem for path in (tmp_path / 'pictures').iterdir())
    assert names == ['scene-0061-sample0', 'scene-0103-sample2', 'scene-0553-sample1']
    widths = [cv2.imread(str(path)).shape[1] for path in sorted((tmp_path / 'pictures').iterdir())]
    assert widths[1] - widths[0] == 648  # one camera more
    damage_frame(5, camera(lambda entry: entry.update(lidar2cam=np.zeros((4, 4)).tolist())))(data)
    report = check(data, pictures=tmp_path / 'more', num_pictures=9, roads=tmp_path / 'nowhere')
    assert 'manifest of roads not found' in str(report)
    report = check(data, pictures=tmp_path / 'more', num_pictures=9)
    assert report.errors['pictures'] == 1 and 'pictures: frame scene-0553-sample2: ' in str(report)
    with pytest.raises(ValueError, match='num_pictures must be at least 1, got 0'):
        check(data, pictures=tmp_path / 'more', num_pictures=0)
