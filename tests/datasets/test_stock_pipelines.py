"""Our transforms behind mmdet3d's own: every augmentation is followed, and the detector notices nothing."""

import copy

import cv2
import numpy as np
import pytest
import torch
from mmdet3d.datasets.transforms import MultiViewWrapper
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import LiDARInstance3DBoxes, LiDARPoints
from mmengine.registry import DefaultScope

from ssl_bev.datasets import (
    AdaptMultiViewImages,
    BEVFlipRotate,
    LoadAccumulatedTargets,
    LoadPseudoLabels,
    PackDetectionWithBEV,
)
from ssl_bev.datasets.accumulated_target_files import start_folder, write_target
from ssl_bev.datasets.stock_augmentation import lidar_augmentation
from ssl_bev.geometry import BEVGrid
from ssl_bev.pseudo_labels import PseudoLabelWriter
from ssl_bev.structures import CameraRig

HEIGHT, WIDTH = 48, 96
CAMERAS = ['CAM_FRONT', 'CAM_LEFT']
CAM2IMG = [[60.0, 0.0, 47.0], [0.0, 58.0, 20.0], [0.0, 0.0, 1.0]]
POINTS = np.array([[1.0, 10, -1], [-3, 12, -1.5], [2, 20, 1], [0.5, 8, -1.8]])  # lidar: right, forward, up
LIDAR2CAM = np.array([[1.0, 0, 0, 0.1], [0, 0, -1, -0.3], [0, 1, 0, -0.7], [0, 0, 0, 1]])
LIDAR2EGO = np.array([[0.0, 1, 0, 0.9], [-1, 0, 0, 0], [0, 0, 1, 1.84], [0, 0, 0, 1]])
FLIP = dict(type='RandomFlip3D', flip_ratio_bev_horizontal=1.0, flip_box3d=False)
CROP = dict(type='RandomCrop3D', crop_size=(64, 32), rel_offset_h=(0.3, 1.0), rel_offset_w=(0.1, 0.9))
RESIZE = dict(type='RandomResize3D', scale=(WIDTH, HEIGHT), ratio_range=(0.8, 1.4), keep_ratio=False)
PAD = dict(type='Pad', size_divisor=64)


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmdet3d'):  # as in a run; MultiViewWrapper asks for it
        yield


@pytest.fixture
def info(tmp_path):
    """A sample as NuScenesDataset gives it; of each picture, blue is 2 u and green 5 v, and so are its labels."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    picture = np.stack([2 * u + 1, 5 * v + 2.5, 0 * u], -1).round().astype(np.uint8)
    names = ['Road', 'Lane Marking - General']
    images = {}
    with PseudoLabelWriter(tmp_path, 'painter', 'a' * 64, names) as writer:
        for n, camera in enumerate(CAMERAS):
            path = tmp_path / f'{camera}.png'
            cv2.imwrite(str(path), picture)
            lidar2cam = LIDAR2CAM.copy()
            lidar2cam[0, 3] += n
            images[camera] = dict(img_path=str(path), cam2img=copy.deepcopy(CAM2IMG), lidar2cam=lidar2cam.tolist())
            writer.write(camera, camera, ((u // 8 + v // 8) % 2).astype(np.uint8), np.ones(v.shape))
    ego2global = np.eye(4)
    ego2global[:2, 3] = 600, 1600
    return dict(
        token='one',
        sample_idx=7,
        timestamp=1.5,
        images=images,
        lidar_points=dict(lidar_path='', num_pts_feats=5, lidar2ego=LIDAR2EGO.tolist()),
        ego2global=ego2global.tolist(),
        points=LiDARPoints(torch.from_numpy(POINTS).float().clone()),
        root=str(tmp_path),
    )


def run(info, *transforms, images=(), wrapper=None):
    """3-D augmentation, then loading, then augmentation of the images."""
    for transform in transforms:
        info = TRANSFORMS.build(transform)(info)
    info = TRANSFORMS.build(dict(type='LoadMultiViewImageFromFiles', color_type='color', num_views=2))(info)
    if images:
        info = MultiViewWrapper(list(images), **(wrapper or {}))(info)
    return info


def check(results):
    """The point that was augmented projects to where the picture shows its pixel of the file."""
    bev2img = results['cam2img'][0] @ results['bev2cam'][0]
    points = np.column_stack([results['points'].tensor.double().numpy(), np.ones(len(POINTS))])
    for n in range(2):
        lidar2cam = np.array(results['frames'][0]['images'][CAMERAS[n]]['lidar2cam'])
        old = (np.column_stack([POINTS, np.ones(len(POINTS))]) @ lidar2cam.T)[:, :3] @ np.array(CAM2IMG).T
        new = points @ bev2img[n].T
        old, new = old[:, :2] / old[:, 2:], new[:, :2] / new[:, 2:3]
        back = np.linalg.inv(results['img_aug'][0, n])
        np.testing.assert_allclose(new @ back[:2, :2].T + back[:2, 2], old, atol=0.01)
        image = results['img'][n].astype(float)
        height, width = results['img_shape']
        assert image.shape[:2] == (height, width)
        v, u = np.mgrid[:height, :width] + 0.5
        shown = np.einsum('ij,jhw->hwi', back[:2], np.stack([u, v, np.ones_like(u)]))
        inside = (shown > 2).all(-1) & (shown < (WIDTH - 2, HEIGHT - 2)).all(-1) & (image[..., 0] > 0)  # not padded
        assert inside.sum() > 150
        np.testing.assert_allclose(image[inside][:, :2], shown[inside] * (2, 5), atol=2.5)


@pytest.mark.parametrize(
    'images',
    [
        [],
        [dict(type='Resize3D', scale=(48, 24))],
        [RESIZE],
        [CROP],
        [FLIP],
        [dict(FLIP, flip_ratio_bev_horizontal=0.5), PAD],
        [RESIZE, CROP],
        [RESIZE, CROP, FLIP],
        [RESIZE, CROP, PAD],
    ],
    ids=lambda images: '-'.join(transform['type'] for transform in images) or 'none',
)
@pytest.mark.parametrize('array', [False, True], ids=['lists', 'arrays'])
def test_image_augmentation_is_followed(info, images, array):
    np.random.seed(2)  # noqa: NPY002  (what data workers seed)
    for camera in info['images'].values():
        camera['cam2img'] = np.array(camera['cam2img']) if array else camera['cam2img']
    check(AdaptMultiViewImages()(run(info, images=images)))


def test_padding_after_crop_and_flip(info):
    np.random.seed(2)  # noqa: NPY002
    with pytest.raises(ValueError, match="add 'homography_matrix' to collected_keys of MultiViewWrapper"):
        AdaptMultiViewImages()(run(copy.deepcopy(info), images=[RESIZE, CROP, FLIP, PAD]))
    keys = ['scale', 'scale_factor', 'img_crop_offset', 'flip', 'flip_direction', 'img_shape', 'homography_matrix']
    keys += ['pad_size_divisor']
    results = run(info, images=[RESIZE, CROP, FLIP, PAD], wrapper=dict(collected_keys=keys))
    check(AdaptMultiViewImages()(results))
    assert results['img_shape'] == (64, 64)


def test_colours_move_nothing(info):
    results = AdaptMultiViewImages()(run(info, images=[dict(type='PhotoMetricDistortion3D')]))
    np.testing.assert_array_equal(results['img_aug'], np.tile(np.eye(3), (1, 2, 1, 1)))


@pytest.mark.parametrize('bev_frame', ['lidar', 'ego'])
def test_augmented_points_define_the_frame(info, bev_frame):
    np.random.seed(3)  # noqa: NPY002
    turn = dict(
        type='GlobalRotScaleTrans', rot_range=[0.3, 0.5], scale_ratio_range=[0.8, 1.2], translation_std=[1, 1, 0.1]
    )
    flip = dict(type='RandomFlip3D', sync_2d=False, flip_ratio_bev_horizontal=1.0, flip_ratio_bev_vertical=1.0)
    results = AdaptMultiViewImages(bev_frame)(run(info, turn, flip, images=[RESIZE, CROP, FLIP]))
    assert results['transformation_3d_flow'] == ['R', 'S', 'T', 'HF', 'VF']
    if bev_frame == 'lidar':
        check(results)
    # A point of the road, 0.3 m right of and 9 m before the lidar, at its height.
    ego = LIDAR2EGO @ [0.3, 9, 0, 1] * [1, 1, 0, 1]
    augmented = lidar_augmentation(results) @ np.linalg.inv(LIDAR2EGO) @ ego
    bev = (LIDAR2EGO if bev_frame == 'ego' else np.eye(4)) @ augmented
    np.testing.assert_allclose(results['road2bev'][0] @ ego, bev, atol=1e-6)
    np.testing.assert_allclose(results['bev2global'][0] @ bev, np.array(info['ego2global']) @ ego, atol=1e-5)
    lidar = np.linalg.inv(LIDAR2EGO) @ ego
    cam = np.array(results['frames'][0]['images']['CAM_LEFT']['lidar2cam']) @ lidar
    np.testing.assert_allclose(results['bev2cam'][0, 1] @ bev, cam, atol=1e-6)


def test_what_cannot_be_followed_is_refused(info):
    turn = dict(type='GlobalRotScaleTrans')
    with pytest.raises(ValueError, match=r"has \['R', 'S', 'T'\] more than once"):
        AdaptMultiViewImages()(run(copy.deepcopy(info), turn, turn))
    late = [dict(type='RandomCrop3D', crop_size=(48, 24), rel_offset_h=(1, 1)), dict(type='Resize3D', scale=(24, 12))]
    with pytest.raises(ValueError, match='a resize must come before the crop'):
        AdaptMultiViewImages()(run(copy.deepcopy(info), images=late))
    keys = ['img_crop_offset', 'flip', 'flip_direction', 'homography_matrix']
    with pytest.raises(ValueError, match='flip after resize and crop'):
        AdaptMultiViewImages()(run(copy.deepcopy(info), images=[FLIP, CROP], wrapper=dict(collected_keys=keys)))
    del info['lidar_points']['lidar2ego']
    with pytest.raises(ValueError, match=r"frame one needs lidar_points\['lidar2ego'\]"):
        AdaptMultiViewImages()(run(info))


def test_labels_lie_on_the_picture(info):
    """Each label is that of the chequer whose colours the augmented picture shows at the same pixel."""
    np.random.seed(4)  # noqa: NPY002
    results = AdaptMultiViewImages()(run(info, images=[RESIZE, CROP, FLIP]))
    results = LoadPseudoLabels(info['root'], 'mapillary_v1', classes=['marking'], stride=1)(results)
    for n in range(2):
        blue, green = np.moveaxis(results['img'][n][..., :2].astype(float), -1, 0)
        u, v = blue / 2, green / 5
        expected = (u // 8 + v // 8) % 2
        clear = (np.abs((u + 4) % 8 - 4) > 1.5) & (np.abs((v + 4) % 8 - 4) > 1.5)
        assert clear.mean() > 0.3
        found = results['pseudo_target'][0, n, 0]
        np.testing.assert_array_equal(found[clear], 254 * expected[clear])


@pytest.mark.parametrize('images', [[], [RESIZE, CROP, FLIP]], ids=['plain', 'augmented'])
def test_the_detector_gets_what_it_got(info, images):
    boxes = LiDARInstance3DBoxes(torch.tensor([[1.0, 10, -1, 2, 4, 1.5, 0.3]]))
    pack = dict(type='Pack3DDetInputs', keys=['points', 'img', 'gt_bboxes_3d', 'gt_labels_3d'])
    np.random.seed(5)  # noqa: NPY002
    results = run(info | {'gt_bboxes_3d': boxes, 'gt_labels_3d': np.array([2])}, images=images)
    stock = TRANSFORMS.build(pack)(copy.deepcopy(results))
    results = AdaptMultiViewImages()(results)
    results = LoadPseudoLabels(info['root'], 'mapillary_v1', classes=['drivable', 'marking'], stride=2)(results)
    packed = PackDetectionWithBEV(pack)(results)
    assert list(packed['inputs']) == list(stock['inputs'])
    for key, value in stock['inputs'].items():
        assert torch.equal(packed['inputs'][key], value)
    sample, plain = packed['data_samples'], stock['data_samples']
    assert type(sample) is type(plain)
    for key in plain.metainfo_keys():
        assert str(sample.metainfo[key]) == str(plain.metainfo[key]), key
    assert torch.equal(sample.gt_instances_3d.bboxes_3d.tensor, boxes.tensor)
    height, width = stock['inputs']['img'].shape[-2:]
    assert sample.image_size == (height, width)
    assert sample.pseudo_target.shape == (1, 2, 2, height // 2, width // 2)
    assert sample.bev2img.shape == (1, 2, 4, 4) and sample.camera_valid.all() and sample.frame_valid.all()
    assert (sample.sample_token, sample.camera_names, sample.bev_frame) == ('one', CAMERAS, 'lidar')
    assert sample.pseudo_classes == ['drivable', 'marking'] and sample.timestamps == [1.5]
    rig = CameraRig.from_data_samples([sample, sample])
    assert rig.image_size == (height, width) and rig.bev2global.dtype == torch.float64
    with pytest.raises(ValueError, match='needs AdaptMultiViewImages before it'):
        PackDetectionWithBEV(pack)({})


def test_bev_labels_of_a_stock_sample(info, tiny_data):
    from ssl_bev.datasets import LoadBEVMasks

    info['token'] = 'scene-0061-sample0'
    results = AdaptMultiViewImages('ego', label_dir=str(tiny_data / 'bev_labels'))(run(info))
    results = LoadBEVMasks()(results)
    sample = PackDetectionWithBEV(dict(type='Pack3DDetInputs', keys=['img']))(results)['data_samples']
    assert sample.gt_bev_seg.shape == (5, 120, 240) and sample.bev_classes[0] == 'drivable_area'
    assert sample.x_range == (-30.0, 30.0)


@pytest.mark.parametrize('bev_frame', ['lidar', 'ego'])
def test_without_images_the_calibration_is_that_of_their_files(info, bev_frame):
    """A detector of points: nothing decodes a picture, and all else is as if they had been loaded and left alone."""
    np.random.seed(3)  # noqa: NPY002
    turn = dict(type='GlobalRotScaleTrans', rot_range=[0.3, 0.5], scale_ratio_range=[0.9, 1.1])
    for transform in (turn, dict(type='RandomFlip3D', sync_2d=False, flip_ratio_bev_horizontal=1.0)):
        info = TRANSFORMS.build(transform)(info)
    load = TRANSFORMS.build(dict(type='LoadMultiViewImageFromFiles', color_type='color', num_views=2))
    read = AdaptMultiViewImages(bev_frame)(load(copy.deepcopy(info)))
    unread = AdaptMultiViewImages(bev_frame)(info)
    assert 'img' not in unread and unread['img_shape'] == (HEIGHT, WIDTH)
    for key in ('cam2img', 'bev2cam', 'bev2global', 'road2bev', 'img_aug', 'ori_shape', 'camera_valid', 'bev_aug'):
        np.testing.assert_allclose(unread[key], read[key], atol=1e-12, err_msg=key)
    labels = LoadPseudoLabels(info['root'], 'mapillary_v1', classes=['marking'], stride=2)
    np.testing.assert_array_equal(labels(unread)['pseudo_target'], labels(read)['pseudo_target'])
    sample = PackDetectionWithBEV(dict(type='Pack3DDetInputs', keys=['points']))(unread)['data_samples']
    assert CameraRig.from_data_samples([sample]).image_size == (HEIGHT, WIDTH)


def test_bev_labels_follow_augmented_points(info, tiny_data):
    """A labelled cell is where its place in the world has gone."""
    from ssl_bev.datasets import LoadBEVMasks

    np.random.seed(6)  # noqa: NPY002
    info['token'] = 'scene-0061-sample0'
    turn = dict(type='GlobalRotScaleTrans', rot_range=[0.3, 0.5], scale_ratio_range=[1.1, 1.1])
    flip = dict(type='RandomFlip3D', sync_2d=False, flip_ratio_bev_horizontal=1.0)
    adapt = AdaptMultiViewImages('ego', label_dir=str(tiny_data / 'bev_labels'))
    before = LoadBEVMasks()(adapt(run(copy.deepcopy(info))))
    after = LoadBEVMasks()(adapt(run(info, turn, flip)))
    grid = BEVGrid(after['x_range'], after['y_range'], after['cell_size'])
    assert set(np.unique(after['gt_bev_seg'])) == {0, 1, 255}
    assert (before['gt_bev_seg'] != after['gt_bev_seg']).any()
    centers = np.concatenate([grid.cell_centers().double(), np.zeros((*grid.shape, 1)), np.ones((*grid.shape, 1))], -1)
    old = torch.from_numpy((centers @ np.linalg.inv(after['bev_aug']).T)[..., :2])
    cells = grid.cell_index(old)
    expected = np.append(before['gt_bev_seg'][0].ravel(), 255)[cells]
    assert (after['gt_bev_seg'][0] == expected).mean() > 0.999


@pytest.fixture
def targets(tmp_path):
    """Random targets of the sample: folder, and the arrays on a grid of 20 m by 20 m in the lidar frame."""
    grid = dict(x_range=[-10, 10], y_range=[-10, 10], cell_size=1.0)
    start_folder(tmp_path / 'targets', dict(classes=['drivable', 'marking'], **grid, bev_frame='lidar'))
    arrays = np.random.default_rng(0).integers(1, 256, (2, 2, 20, 20)).astype(np.uint8)
    write_target(tmp_path / 'targets', 'one', *(arrays / 255))
    return str(tmp_path / 'targets'), arrays


def test_accumulated_targets_follow_augmented_points(info, targets):
    np.random.seed(6)  # noqa: NPY002
    folder, arrays = targets
    turn = dict(type='GlobalRotScaleTrans', rot_range=[0.3, 0.5], scale_ratio_range=[1.1, 1.1])
    flip = dict(type='RandomFlip3D', sync_2d=False, flip_ratio_bev_horizontal=1.0)
    plain = LoadAccumulatedTargets(folder)(AdaptMultiViewImages()(run(copy.deepcopy(info))))
    moved = LoadAccumulatedTargets(folder, ['marking'])(AdaptMultiViewImages()(run(info, turn, flip)))
    grid = moved['accumulated_grid']
    centers = np.concatenate([grid.cell_centers().double(), np.zeros((*grid.shape, 1)), np.ones((*grid.shape, 1))], -1)
    cells = grid.cell_index(torch.from_numpy((centers @ np.linalg.inv(moved['bev_aug']).T)[..., :2]))
    for name, values in zip(('probability', 'weight'), arrays, strict=True):
        np.testing.assert_array_equal(plain[f'accumulated_{name}'], values)
        expected = np.append(values[1].ravel(), 0)[cells]
        assert (moved[f'accumulated_{name}'][0] == expected).mean() > 0.99 and (expected == 0).any()


def test_targets_may_be_loaded_before_or_after_the_bev_frame_is_flipped(targets):
    folder, arrays = targets
    frame = dict(frames=[dict(token='one')], bev_frame='lidar')
    load, flip = LoadAccumulatedTargets(folder), BEVFlipRotate(flip_x=1)
    for first, second in ((load, flip), (flip, load)):
        found = second(first(dict(frame)))
        np.testing.assert_array_equal(found['accumulated_probability'], arrays[0][..., ::-1])
        np.testing.assert_array_equal(found['accumulated_weight'], arrays[1][..., ::-1])


def test_some_scenes_are_labelled(info, tiny_data, tmp_path):
    from ssl_bev.datasets import LoadBEVMasks

    (tmp_path / 'half.txt').write_text('# half\nscene-0061\n')
    adapt = AdaptMultiViewImages('ego', str(tiny_data / 'bev_labels'), str(tmp_path / 'half.txt'))
    with pytest.raises(ValueError, match='label_scenes needs info files that name scenes, sample one has none'):
        adapt(run(copy.deepcopy(info)))
    for name, labelled in (('scene-0061', True), ('scene-0553', False)):
        found = LoadBEVMasks()(adapt(run(copy.deepcopy(info) | dict(scene_name=name, token=f'{name}-sample0'))))
        assert ('gt_bev_seg' in found) == found['labelled'] == labelled
