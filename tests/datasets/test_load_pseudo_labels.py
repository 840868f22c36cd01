import numpy as np
import pytest

from ssl_bev.datasets import LoadPseudoLabels, ResizeCropFlipImages
from ssl_bev.pseudo_labels import PseudoLabelWriter

NAMES = ['Road', 'Lane Marking - General', 'Car', 'Sidewalk', 'Crosswalk - Plain']
SIZE = (48, 96)


@pytest.fixture
def label_root(tmp_path):
    """Two images: road with a marking in columns 32 .. 40 and rows 24 ..; a car on the right; confidence falls."""
    ids = np.zeros(SIZE, np.uint8)
    ids[24:, 32:40] = 1
    ids[:, 80:] = 2
    confidence = np.broadcast_to(np.linspace(1, 0.5, SIZE[1]), SIZE)
    with PseudoLabelWriter(tmp_path, 'painter', 'a' * 64, NAMES) as writer:
        writer.write('CAM_FRONT', 'one', ids, confidence)
        writer.write('CAM_FRONT', 'two', np.full(SIZE, 3, np.uint8), confidence)
    return tmp_path


def window(stems=('one',)):
    frames = [{'token': f't-{s}', 'images': {'CAM_FRONT': {'img_path': f'samples/CAM_FRONT/{s}.jpg'}}} for s in stems]
    count = len(stems)
    return {
        'frames': frames,
        'camera_names': ['CAM_FRONT'],
        'img': [[np.zeros((*SIZE, 3), np.uint8)] for _ in stems],
        'cam2img': np.tile(np.eye(4), (count, 1, 1, 1)),
        'img_aug': np.tile(np.eye(3), (count, 1, 1, 1)),
        'ori_shape': np.tile(SIZE, (count, 1, 1)),
        'img_shape': SIZE,
    }


def load(root, results, **arguments):
    return LoadPseudoLabels(str(root), 'mapillary_v1', **arguments).transform(results)


def test_targets_at_a_quarter(label_root):
    results = load(label_root, window(('one', 'two')))
    target = results['pseudo_target']
    assert target.shape == (2, 1, 3, 12, 24)
    assert target.dtype == np.uint8
    drivable, marking, crosswalk = target[0, 0]
    assert (drivable[:, :20] == 1).all()
    assert (target[0, 0, :, :, 20:] == 255).all()  # the car hides the ground
    assert np.argwhere(marking == 1).tolist() == [[i, j] for i in range(6, 12) for j in (8, 9)]
    assert (crosswalk[:, :20] == 0).all()
    assert (target[1] == 0).all()
    # Cell j stands for the position 4 j + 2 of 96 columns.
    expected = np.rint(np.linspace(1, 0.5, 96)[2::4] * 255)
    np.testing.assert_allclose(results['pseudo_confidence'][0, 0, 0], expected, atol=1)
    assert results['pseudo_classes'] == ['drivable', 'marking', 'crosswalk']


@pytest.mark.parametrize('stride', [1, 2, 4])
@pytest.mark.parametrize(
    'arguments',
    [
        {'size': (24, 48)},
        {'size': (48, 96), 'flip_prob': 1.0},
        {'size': (40, 80), 'resize': (1.1, 1.4), 'crop_x': 'random', 'crop_y': 'random', 'flip_prob': 0.5},
        {'size': (96, 192), 'resize': (0.6, 0.8), 'crop_x': 'random'},
    ],
)
def test_labels_follow_the_image(label_root, stride, arguments):
    """Each cell has the label that lies at its position in the original picture, found by a plain loop."""
    np.random.seed(1)  # noqa: NPY002  (what data workers seed)
    results = load(label_root, ResizeCropFlipImages(**arguments).transform(window()), stride=stride)
    marking, confidence = results['pseudo_target'][0, 0, 1], results['pseudo_confidence'][0, 0]
    back = np.linalg.inv(results['img_aug'][0, 0])
    for i in range(0, marking.shape[0], 3):
        for j in range(marking.shape[1]):
            u, v, _ = back @ [(j + 0.5) * stride, (i + 0.5) * stride, 1]
            if not (0 <= u < 96 and 0 <= v < 48):
                assert marking[i, j] == 255
                assert confidence[i, j] == 0
            elif int(u) >= 80:
                assert marking[i, j] == 255
            else:
                assert marking[i, j] == (32 <= int(u) < 40 and int(v) >= 24)


def test_low_confidence_is_ignored_by_class(label_root):
    target = load(label_root, window(), min_confidence={'marking': 0.8})['pseudo_target'][0, 0]
    limit = 96 * 0.4 // 4
    assert (target[0, :, :20] == 1).all()
    assert (target[1, 0, : int(limit)] == 0).all()
    assert (target[1, :, int(limit) + 1 :] == 255).all()
    every = load(label_root, window(), min_confidence=0.8)['pseudo_target'][0, 0]
    assert (every[:, :, int(limit) + 1 :] == 255).all()


def test_ids_beyond_the_names_are_ignored(tmp_path):
    from ssl_bev.files import write_png

    write_png(tmp_path / 'labels' / 'CAM_FRONT.png', np.full(SIZE, 65, np.uint8))
    bare = {'label_file': 'labels/{camera}.png', 'confidence_file': None, 'manifest': None}
    results = load(tmp_path, window(), **bare)
    assert (results['pseudo_target'] == 255).all()
    assert (results['pseudo_confidence'] == 255).all()


def test_real_keyframe_labels(keyframe_dir):
    from ssl_bev.datasets import LoadBEVImages, NuScenesBEVDataset

    bare = {'label_file': 'labels/{camera}.png', 'confidence_file': None, 'manifest': None}
    pipeline = [
        LoadBEVImages(),
        ResizeCropFlipImages((192, 448)),
        LoadPseudoLabels(str(keyframe_dir), 'mapillary_v1', **bare),
    ]
    ann_file = next(keyframe_dir.glob('*.pkl')).name
    item = NuScenesBEVDataset(ann_file, pipeline, data_root=str(keyframe_dir), with_labels=False)[0]
    target = item['pseudo_target'][0]
    assert target.shape == (6, 3, 48, 112)
    road, paint = (target[:, 0] == 1).mean((1, 2)), (target[:, 1] == 1).mean((1, 2))
    assert (road > 0.001).all()
    assert road.max() > 0.4
    assert paint[item['camera_names'].index('CAM_FRONT')] > 0
    # Paint lies on the road, and the upper rows of the crop know no ground.
    assert (target[:, 0][target[:, 1] == 1] == 1).all()
    assert (target[:, :, 0] == 255).mean() > 0.9


def test_errors(label_root):
    with pytest.raises(FileNotFoundError, match=r'labels/CAM_FRONT/three.png \(frame t-three\); write it'):
        load(label_root, window(('three',)))
    with pytest.raises(ValueError, match="made by teacher 'painter', expected 'oracle'"):
        load(label_root, window(), teacher='oracle')
    with pytest.raises(ValueError, match=r'stride 5 must divide the image size .* = \(48, 96\)'):
        load(label_root, window(), stride=5)
    with pytest.raises(ValueError, match='unknown teacher class'):
        LoadPseudoLabels(str(label_root), 'cityscapes', classes=['drivable'])
    with pytest.raises(ValueError, match=r"min_confidence names \['paint'\]"):
        load(label_root, window(), min_confidence={'paint': 0.5})
    with pytest.raises(ValueError, match=r'min_confidence must be in \[0, 1\], got 2'):
        load(label_root, window(), min_confidence=2)
    with pytest.raises(ValueError, match='stride must be a positive integer'):
        load(label_root, window(), stride=0)
    other = window()
    other['ori_shape'][:] = (90, 160)
    with pytest.raises(ValueError, match=r'is \(48, 96\) \(height, width\), its image is \(90, 160\)'):
        load(label_root, other)
