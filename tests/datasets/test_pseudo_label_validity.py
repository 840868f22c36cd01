"""What `LoadPseudoLabels` ignores, under any augmentation, against loops over the original picture."""

import numpy as np
import pytest

from ssl_bev.datasets import BEVFlipRotate, LoadPseudoLabels, ResizeCropFlipImages
from ssl_bev.pseudo_labels import PseudoLabelWriter

NAMES = ['Road', 'Lane Marking - General', 'Car', 'Sidewalk', 'Crosswalk - Plain', 'Person', 'Car Mount']
HEIGHT, WIDTH = SIZE = (48, 96)
CARS = [(30, 50), (31, 50), (10, 70)]  # (row, column)
CAM2IMG = np.array([[60.0, 0, 48, 0], [0, 60, 12, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
# 1.5 m above the road, 1 m ahead of the ego origin, looking along x.
BEV2CAM = np.array([[0.0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, -1], [0, 0, 0, 1]])


@pytest.fixture
def label_root(tmp_path):
    """Road with two cars of a few pixels, one person, and part of the car itself, which is no mover."""
    ids = np.zeros(SIZE, np.uint8)
    for row, column in CARS:
        ids[row, column] = 2
    ids[40, 20] = 5
    ids[47, 90:] = 6
    with PseudoLabelWriter(tmp_path, 'painter', 'a' * 64, NAMES) as writer:
        writer.write('CAM_FRONT', 'one', ids, np.full(SIZE, 200, np.uint8))
    return tmp_path


def window():
    return {
        'frames': [{'token': 't-one', 'images': {'CAM_FRONT': {'img_path': 'samples/CAM_FRONT/one.jpg'}}}],
        'camera_names': ['CAM_FRONT'],
        'img': [[np.zeros((*SIZE, 3), np.uint8)]],
        'cam2img': CAM2IMG[None, None].copy(),
        'bev2cam': BEV2CAM[None, None].copy(),
        'bev2global': np.eye(4)[None],
        'road2bev': np.eye(4)[None],
        'img_aug': np.eye(3)[None, None],
        'ori_shape': np.array([[SIZE]]),
        'img_shape': SIZE,
    }


def load(root, results, **arguments):
    results = LoadPseudoLabels(str(root), 'mapillary_v1', classes=['drivable'], **arguments).transform(results)
    return results['pseudo_target'][0, 0, 0], results['pseudo_confidence'][0, 0]


def turned(results, degrees=20):
    """The picture turned about its middle: no transform of ours does so, but `img_aug` may be anything affine."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    middle = np.array([[1, 0, WIDTH / 2], [0, 1, HEIGHT / 2], [0, 0, 1.0]])
    pixels = middle @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ np.linalg.inv(middle)
    results['img_aug'] = pixels @ results['img_aug']
    results['cam2img'][..., :3, :] = pixels @ results['cam2img'][..., :3, :]
    return results


AUGMENTATIONS = {
    'none': lambda results: results,
    'half': ResizeCropFlipImages((24, 48)).transform,
    'flip': ResizeCropFlipImages(SIZE, flip_prob=1.0).transform,
    'crop': ResizeCropFlipImages((32, 64), resize=(1.2, 1.5), crop_x='random', crop_y='random').transform,
    'pad': ResizeCropFlipImages((64, 160), resize=(0.6, 0.8), crop_x='random', flip_prob=0.5).transform,
    'turn': turned,
    'BEV': BEVFlipRotate(flip_x=1.0, flip_y=0.5, max_rotation=0.5).transform,
}


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('name', list(AUGMENTATIONS))
def test_all_masks_follow_the_augmentation(label_root, name, stride):
    np.random.seed(3)  # noqa: NPY002  (what data workers seed)
    polygon = [(0.1, 0.6), (0.5, 0.7), (0.3, 1.0)]
    arguments = {'mover_margin': 4.5 / WIDTH, 'ego_body': {'CAM_FRONT': polygon}, 'max_distance': 8.0}
    results = AUGMENTATIONS[name](window())
    target, confidence = load(label_root, results, stride=stride, **arguments)
    assert 0.05 < (target == 254).mean() < 0.95
    aug = results['img_aug'][0, 0]
    back = np.linalg.inv(aug)
    k = max(1, round(stride / np.sqrt(abs(np.linalg.det(aug)))))
    movers = np.array([*CARS, (40, 20)]) + 0.5

    def seen(i, j):  # is the pixel at a position of a target to be trusted, and is it one of the mount
        u, v, _ = back @ [j * stride, i * stride, 1]
        center = np.floor([v, u]) + 0.5  # of the pixel, as a row and a column
        by_mover = (np.hypot(*(movers - center).T) <= 4.5).any()
        inside = 0 <= u < WIDTH and 0 <= v < HEIGHT
        on_body = inside and _inside(polygon, center[1] / WIDTH, center[0] / HEIGHT)
        return inside and not (by_mover or on_body), center[0] > 47 and center[1] > 90

    offsets = (np.arange(k) + 0.5) / k
    for i in range(target.shape[0]):
        for j in range(0, target.shape[1], 3):
            u, v, _ = back @ [(j + 0.5) * stride, (i + 0.5) * stride, 1]
            # v = 12 + 60 * 1.5 / depth on the road; sideways (u - 48) / 60 of the depth.
            depth = 90 / (v - 12) if v > 12 else 1e9
            near = np.hypot(depth, (u - 48) / 60 * depth) <= 8
            block = [seen(i + a, j + b) for a in offsets for b in offsets]
            trusted = np.mean([near and there for there, _ in block])
            road = np.mean([near and there and not mount for there, mount in block])
            assert target[i, j] == (254 if road >= 0.5 else 255), (i, j)
            assert abs(confidence[i, j] - 200 * trusted) <= 1, (i, j)


def _inside(polygon, u, v):
    signs = []
    for (u0, v0), (u1, v1) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        signs.append((u1 - u0) * (v - v0) - (v1 - v0) * (u - u0))
    return min(signs) >= 0 or max(signs) <= 0


def test_margin_is_a_fraction_of_the_width(label_root):
    """A margin of 3 / 96 of the width reaches 3 pixels: the person at (40, 20) covers a disc of 29 pixels."""
    target, _ = load(label_root, window(), stride=1, mover_margin=3 / WIDTH)
    rows, columns = np.nonzero(target[36:45, 16:25] == 255)
    assert len(rows) == 29
    assert np.ptp(rows) == np.ptp(columns) == 6
    assert (target[47, 90:] == 255).all()
    assert (target[44:47, 84:] == 254).all()  # no margin about what is no mover


def test_rows_of_the_ego_body(label_root):
    target, confidence = load(label_root, window(), stride=1, ego_body={'CAM_FRONT': 0.75})
    assert (target[36:] == 255).all() and (confidence[36:] == 0).all()
    assert (target[:36] == 254).sum() == 36 * 96 - len(CARS)


def test_distance_is_measured_from_the_camera_along_the_road(label_root):
    """At 6 m ahead of the camera the road is at v = 12 + 60 * 1.5 / 6 = 27.

    Row 27 (v = 27.5) is 5.806 m ahead, so 6 m are reached 1.512 m = 15.6 pixels to each side of column 48.
    """
    target, _ = load(label_root, window(), stride=1, max_distance=6.0)
    assert (target[:27] == 255).all()
    assert np.flatnonzero(target[27] == 254).tolist() == list(range(32, 64))


def test_cameras_that_are_left_out_or_missing(label_root):
    for change in ({'ignore_cameras': ['CAM_FRONT']}, {}):
        results = window()
        results['frames'][0]['images']['CAM_FRONT']['img_path'] = 'samples/CAM_FRONT/unknown.jpg'
        if not change:
            results['camera_valid'] = np.array([[False]])
        target, confidence = load(label_root, results, **change)
        assert (target == 255).all() and (confidence == 0).all()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'mover_margin': 8}, r'mover_margin is a fraction of the image width and must be in \[0, 0.5\], got 8'),
        ({'max_distance': 0}, 'max_distance must be positive'),
        ({'ego_body': {'CAM_FRONT': 1.2}}, r"ego_body\['CAM_FRONT'\] must be a fraction of the height.*got 1.2"),
        ({'ego_body': {'CAM_FRONT': [(0, 1), (1, 1)]}}, 'or a simple polygon'),
        ({'ego_body': {'CAM_FRONT': [(0, 0), (1, 1), (1, 0), (0, 1)]}}, 'or a simple polygon'),
        ({'ego_body': {'CAM_BACK': 0.83}}, r"ego_body \['CAM_BACK'\] are not among .* known: CAM_FRONT$"),
        ({'ignore_cameras': ['CAM_BACK']}, r"ignore_cameras \['CAM_BACK'\] are not among"),
    ],
)
def test_bad_arguments(label_root, arguments, message):
    with pytest.raises(ValueError, match=message):
        load(label_root, window(), **arguments)


def test_label_map_of_a_config_may_name_movers_or_not(label_root):
    from mmdet3d.registry import TRANSFORMS
    from mmengine.config import Config

    content = {
        'class_names': NAMES,
        'roles': {'ground': ['Road', 'Lane Marking - General', 'Crosswalk - Plain'], 'rest': ['Sidewalk', 'Car Mount']}
        | {'moving': ['Car', 'Person']},
        'targets': {'ground': {'positive': ['ground'], 'negative': ['rest'], 'ignore': ['moving']}},
    }
    config = dict(type='LoadPseudoLabels', root=str(label_root), classes=['ground'], mover_margin=0.05, stride=1)
    with pytest.raises(ValueError, match='names no movers; list the classes that move under the key movers'):
        TRANSFORMS.build(Config({'t': {**config, 'label_map': content}}).t)
    transform = TRANSFORMS.build(Config({'t': {**config, 'label_map': content | {'movers': ['Person']}}}).t)
    target = transform.transform(window())['pseudo_target'][0, 0, 0]
    assert target[40, 16] == 255 and target[40, 14] == 254
    assert target[10, 70] == 255 and target[10, 69] == 254  # the car itself, but nothing around it
