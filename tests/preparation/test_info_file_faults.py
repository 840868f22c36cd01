"""Info files and images that are not as they should be: loading and `check_data` say so, with the name."""

import pickle
import re
import shutil

import cv2
import numpy as np
import pytest

from ssl_bev.datasets import LoadBEVImages, NuScenesBEVDataset
from ssl_bev.files import write_png
from ssl_bev.preparation.checks import check_data

INFOS = 'ssl_bev_infos_train.pkl'
FIRST_IMAGE = 'samples/CAM_FRONT/scene-0061-CAM_FRONT-0.jpg'
NAN = float('nan')


def damage_image(root):
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (48, 96, 3), np.uint8), (0, 0), 2)
    content = bytearray(cv2.imencode('.jpg', picture)[1].tobytes())
    content[len(content) // 2 : len(content) // 2 + 200] = bytes(200)
    (root / FIRST_IMAGE).write_bytes(content)


def deep_image(root):
    (root / FIRST_IMAGE).unlink()
    write_png(root / FIRST_IMAGE, np.full((48, 96, 3), 900, np.uint16))


def lens(root):
    """Of an info file that another program wrote."""
    content = pickle.loads((root / INFOS).read_bytes())
    content['data_list'][0]['images']['CAM_FRONT']['distortion'] = [-0.3, 0.1, 0, 0, 0]
    (root / INFOS).write_bytes(pickle.dumps(content))


@pytest.fixture
def root(tiny_root, tiny_data, tmp_path):
    root = shutil.copytree(tiny_root, tmp_path / 'root')
    shutil.copy(tiny_data / INFOS, root / INFOS)
    return root


def info(change):
    """Of the first keyframe, as another program may write it; a list takes the place of the frame."""

    def plant(root):
        content = pickle.loads((root / INFOS).read_bytes())
        frame = content['data_list'][0]
        content['data_list'][0] = change(frame, frame['images']['CAM_FRONT']) or frame
        (root / INFOS).write_bytes(pickle.dumps(content))

    return plant


FIRST = 'scene-0061-sample0'
INFO_FAULTS = {
    'frame is a list': (info(lambda frame, _: [1]), r'frame 0 \(token None\): must be a dict, got \[1\]'),
    'no token': (info(lambda frame, _: frame.pop('token') and None), 'frame 0 .token None.: token must be a text'),
    'token with a slash': (
        info(lambda frame, _: frame.update(token='../a')),
        r"fit for the name of a file, got '\.\./a'",
    ),
    'NaN timestamp': (
        info(lambda frame, _: frame.update(timestamp=NAN)),
        f'{FIRST}.*timestamp must be a finite',
    ),
    'no images': (info(lambda frame, _: frame.update(images=None)), f'{FIRST}.*images must be a dict of cameras, got'),
    'no path': (info(lambda _, camera: camera.update(img_path=None)), f'{FIRST}.*img_path must be the path of a file'),
    'size is a text': (info(lambda _, camera: camera.update(height='48')), f"{FIRST}.*height must be .* got '48'"),
    'lens of no model': (
        info(lambda _, camera: camera.update(lens={'model': 'omni'})),
        rf"{FIRST}.*'CAM_FRONT'. lens must have a model of \['pinhole', 'fisheye'\]",
    ),
    'NaN pose': (
        info(lambda _, camera: camera.update(lidar2cam=np.full((4, 4), NAN))),
        f'{FIRST}(, |.*)CAM_FRONT: lidar2cam must be a finite 4x4 matrix',
    ),
    'no pose': (
        info(lambda frame, _: frame.update(ego2global=None)),
        f'{FIRST}: ego2global must be a finite 4x4 matrix, got None',
    ),
    'intrinsics of another shape': (
        info(lambda _, camera: camera.update(cam2img=[[60, 0, 48], [0, 60, 20]])),
        f'{FIRST}(, |.*)CAM_FRONT: cam2img must be a finite 3x3 matrix',
    ),
}


@pytest.mark.parametrize(('plant', 'message'), INFO_FAULTS.values(), ids=INFO_FAULTS.keys())
def test_info_files_of_other_programs(root, plant, message):
    """Named by loading, and by `check_data`."""
    plant(root)
    with pytest.raises(ValueError, match=message):
        NuScenesBEVDataset(INFOS, [LoadBEVImages()], data_root=str(root), with_labels=False)[0]
    report = check_data(root, [root / INFOS], show_progress=False)
    assert not report.is_good
    assert re.search(message, str(report)), str(report)


IMAGES = {
    'zeros in the middle': (damage_image, 'picture is damaged .*CAM_FRONT-0.jpg'),
    'truncated': (
        lambda root: (root / FIRST_IMAGE).write_bytes((root / FIRST_IMAGE).read_bytes()[:-30]),
        'picture is truncated: .*CAM_FRONT-0.jpg',
    ),
    '16 bits': (deep_image, 'must have 8 bits a channel, .*CAM_FRONT-0.jpg.* has 16'),
    'gone': (lambda root: (root / FIRST_IMAGE).unlink(), 'picture not found: .*CAM_FRONT-0.jpg'),
    'a lens in the info file': (
        lens,
        'CAM_FRONT.* distortion must be zero, got',
    ),
}


@pytest.mark.parametrize(('plant', 'message'), IMAGES.values(), ids=IMAGES.keys())
def test_met_by_loading_and_by_check_data(root, plant, message):
    plant(root)
    dataset = NuScenesBEVDataset(INFOS, [LoadBEVImages()], data_root=str(root), with_labels=False)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        dataset[0]
    dataset[1]
    report = check_data(root, [root / INFOS], show_progress=False)
    assert report.errors.total() == 1
    assert re.search(message, str(report)), str(report)
