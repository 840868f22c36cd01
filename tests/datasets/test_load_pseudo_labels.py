import numpy as np
import pytest

from ssl_bev.datasets import LoadPseudoLabels, ResizeCropFlipImages
from ssl_bev.pseudo_labels import PseudoLabelWriter
from ssl_bev.targets import is_positive

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
    assert (drivable[:, :20] == 254).all()
    assert (target[0, 0, :, :, 20:] == 255).all()  # the car hides the ground
    assert np.argwhere(marking == 254).tolist() == [[i, j] for i in range(6, 12) for j in (8, 9)]
    assert (crosswalk[:, :20] == 0).all()
    assert (target[1] == 0).all()
    expected = (np.linspace(1, 0.5, 96) * 255).reshape(24, 4).mean(1)
    np.testing.assert_allclose(results['pseudo_confidence'][0, 0, 0], expected, atol=1)
    assert results['pseudo_classes'] == ['drivable', 'marking', 'crosswalk']


def naive(ids, results, stride, k):
    """Share of marking by a plain loop, and whether a sample lies within 0.002 px of an edge."""
    height, width = (round(size / stride) for size in results['img_shape'])
    back = np.linalg.inv(results['img_aug'][0, 0])
    share, edge = np.full((height, width), 255), np.zeros((height, width), bool)
    for i in range(height):
        for j in range(width):
            known = []
            for a in range(k):
                for b in range(k):
                    u, v, _ = back @ [(j + (b + 0.5) / k) * stride, (i + (a + 0.5) / k) * stride, 1]
                    edge[i, j] |= min(abs(u - round(u)), abs(v - round(v))) < 0.002
                    label = ids[int(v), int(u)] if 0 <= u < ids.shape[1] and 0 <= v < ids.shape[0] else 2
                    known += [] if label == 2 else [label == 1]
            if 2 * len(known) >= k * k:
                share[i, j] = round(254 * np.mean(known))
    return share, edge


@pytest.mark.parametrize('stride', [0.5, 1, 2, 4])
@pytest.mark.parametrize(
    'arguments',
    [
        {'size': (24, 48)},
        {'size': (48, 96), 'flip_prob': 1.0},
        {'size': (40, 80), 'resize': (1.1, 1.4), 'crop_x': 'random', 'crop_y': 'random', 'flip_prob': 0.5},
        {'size': (48, 96), 'resize': (0.6, 0.8), 'crop_x': 'random'},
        {'size': (24, 48), 'degrees': 20},
    ],
)
def test_labels_follow_the_image(tmp_path, stride, arguments):
    """Each block has the share that its pixels of the original picture give."""
    np.random.seed(1)  # noqa: NPY002  (what data workers seed)
    ids = np.random.default_rng(0).choice(3, SIZE, p=[0.6, 0.3, 0.1]).astype(np.uint8)
    with PseudoLabelWriter(tmp_path, 'painter', 'a' * 64, NAMES) as writer:
        writer.write('CAM_FRONT', 'one', ids, np.ones(SIZE))
    degrees = arguments.get('degrees', 0)
    crop = ResizeCropFlipImages(**{key: value for key, value in arguments.items() if key != 'degrees'})
    results = crop.transform(window())
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    results['img_aug'] = np.array([[cos, -sin, 5 * sin], [sin, cos, -5 * sin], [0, 0, 1]]) @ results['img_aug']
    scale = np.sqrt(abs(np.linalg.det(results['img_aug'][0, 0])))
    share, edge = naive(ids, results, stride, max(1, round(stride / scale)))
    marking = load(tmp_path, results, stride=stride)['pseudo_target'][0, 0, 1]
    assert marking.shape == share.shape
    wrong = np.abs(marking - share.astype(int)) > 1
    assert not (wrong & ~edge).any()
    assert (~edge).sum() > 15 and ((share > 0) & (share < 255)).any()


def test_a_line_of_one_pixel_is_not_lost(tmp_path):
    """Blocks of 4 x 4 pixels; at their centres, column 2 of each, there is no paint."""
    ids = np.zeros(SIZE, np.uint8)
    ids[:, 33] = 1
    with PseudoLabelWriter(tmp_path, 'painter', 'a' * 64, NAMES) as writer:
        writer.write('CAM_FRONT', 'one', ids, np.ones(SIZE))
    marking = load(tmp_path, window(), stride=4)['pseudo_target'][0, 0, 1]
    assert (marking[:, 8] == round(254 / 4)).all()
    assert (np.delete(marking, 8, axis=1) == 0).all()
    # Halving the image leaves blocks as they are at half the stride.
    halved = ResizeCropFlipImages((24, 48)).transform(window())
    np.testing.assert_array_equal(load(tmp_path, halved, stride=2)['pseudo_target'][0, 0, 1], marking)
    whole = load(tmp_path, ResizeCropFlipImages((24, 48)).transform(window()), stride=0.5)
    np.testing.assert_array_equal(whole['pseudo_target'][0, 0, 1], np.where(ids == 1, 254, 0))
    assert whole['pseudo_stride'] == 0.5


def test_num_frames_reads_only_the_last(label_root):
    """What is missing of a frame before them is not noticed."""
    results = window(('missing', 'one', 'two'))
    target = load(label_root, results, num_frames=2)['pseudo_target']
    assert target.shape[0] == results['pseudo_confidence'].shape[0] == 2
    np.testing.assert_array_equal(target, load(label_root, window(('one', 'two')))['pseudo_target'])
    assert load(label_root, window(('one', 'two')), num_frames=5)['pseudo_target'].shape[0] == 2


def test_repeated_frames_are_ignored_or_read_once(label_root, monkeypatch):
    results = window(('one', 'one', 'two'))
    transform = LoadPseudoLabels(str(label_root), 'mapillary_v1')
    read, calls = transform.labels.read, []
    monkeypatch.setattr(transform.labels, 'read', lambda *a: calls.append(a[1]) or read(*a))
    target = transform.transform(results)['pseudo_target']
    assert calls == ['one', 'two']
    np.testing.assert_array_equal(target[0], target[1])
    results['frame_valid'] = [False, True, True]
    again = transform.transform(results)
    assert calls == ['one', 'two'] * 2
    assert (again['pseudo_target'][0] == 255).all() and (again['pseudo_confidence'][0] == 0).all()
    np.testing.assert_array_equal(again['pseudo_target'][1:], target[1:])


def test_low_confidence_is_ignored_by_class(label_root):
    target = load(label_root, window(), min_confidence={'marking': 0.8})['pseudo_target'][0, 0]
    limit = 96 * 0.4 // 4
    assert (target[0, :, :20] == 254).all()
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
    road, paint = is_positive(target[:, 0]).mean((1, 2)), is_positive(target[:, 1]).mean((1, 2))
    assert (road > 0.001).all()
    assert road.max() > 0.4
    assert paint[item['camera_names'].index('CAM_FRONT')] > 0
    # Paint lies on the road, and the upper rows of the crop know no ground.
    assert is_positive(target[:, 0])[is_positive(target[:, 1])].all()
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
    for stride in (0, 1.5, 0.4, -1, '2'):
        with pytest.raises(ValueError, match='stride must be a positive whole number or 1/n'):
            load(label_root, window(), stride=stride)
    with pytest.raises(ValueError, match='num_frames must be a positive integer or None, got 0'):
        load(label_root, window(), num_frames=0)
    bent = window()
    bent['img_aug'][0, 0, 2, 0] = 0.001
    with pytest.raises(ValueError, match='img_aug must be an invertible affine matrix'):
        load(label_root, bent)
    other = window()
    other['ori_shape'][:] = (90, 160)
    with pytest.raises(ValueError, match=r'is \(48, 96\) \(height, width\), its image is \(90, 160\)'):
        load(label_root, other)
