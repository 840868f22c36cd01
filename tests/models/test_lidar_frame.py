"""The lidar frame and the ego frame mean the same ground, from the data to the losses; on the synthetic world, whose
lidar is mounted as on the real car: turned by 90 degrees, tilted, 0.94 m ahead and 1.84 m above the road."""

import numpy as np
import pytest
import torch

from projects.BEVFormer.bevformer.reference_points import pillar_points
from ssl_bev.apis import draw_sample
from ssl_bev.datasets import LoadBEVImages, LoadBEVMasks, NuScenesBEVDataset, PackBEVInputs, ResizeCropFlipImages
from ssl_bev.evaluation import BEVIoUMetric
from ssl_bev.geometry import BEVGrid, project_points, reproject, sample_bev, transform_points, warp_bev
from ssl_bev.models import ReprojectionHead
from ssl_bev.models.losses import temporal_consistency_loss
from ssl_bev.preparation.create_infos import create_data
from ssl_bev.structures import CameraRig
from ssl_bev.targets import IGNORE, POSITIVE
from ssl_bev.visualization import turn_forward_up

CELL = 0.25
# The same extent about the origin: x is forward in the one frame, y in the other.
GRIDS = {
    'ego': BEVGrid((-30, 30), (-15, 15), CELL),
    'lidar': BEVGrid((-15, 15), (-30, 30), CELL),
}
LIDAR_HEIGHT = 1.84


@pytest.fixture(scope='module')
def samples(synthetic_root, tmp_path_factory):
    """BEV frame -> two neighbouring frames of one scene, packed with labels."""
    pipeline = [LoadBEVImages(), LoadBEVMasks(), ResizeCropFlipImages((48, 160)), PackBEVInputs()]
    packed = {}
    for bev_frame, grid in GRIDS.items():
        out = tmp_path_factory.mktemp(bev_frame)
        create_data(synthetic_root, 'v1.0-mini', out, grid=grid, bev_frame=bev_frame, show_progress=False)
        dataset = NuScenesBEVDataset(
            'ssl_bev_infos_train.pkl', pipeline, data_root=str(synthetic_root), info_root=str(out), bev_frame=bev_frame,
            num_frames=2, serialize_data=False,
        )  # fmt: skip
        packed[bev_frame] = [dataset[1], dataset[2]]
    return packed


def label(samples, bev_frame, index=1):
    return samples[bev_frame][index]['data_samples'].gt_bev_seg[None].float()


def rig(samples, bev_frame):
    return CameraRig.from_data_samples([samples[bev_frame][1]['data_samples']])


def lidar2ego(samples):
    """From the poses that the samples carry, not from the info file."""
    ego2global, lidar2global = (samples[frame][1]['data_samples'].bev2global[-1] for frame in ('ego', 'lidar'))
    return (torch.linalg.inv(ego2global) @ lidar2global).float()


def uniform(cells):
    """True where all cells within 2 have the same value: no edge is near."""
    return torch.nn.functional.max_pool2d(cells, 5, 1, 2) == -torch.nn.functional.max_pool2d(-cells, 5, 1, 2)


def test_the_lidar_is_where_it_is_on_the_car(samples):
    pose = lidar2ego(samples)
    assert pose[2, 3] == pytest.approx(LIDAR_HEIGHT, abs=0.01) and pose[0, 3] == pytest.approx(0.94, abs=0.01)
    assert 1e-3 < pose[2, :2].norm() < 0.1  # tilted
    road2bev = samples['lidar'][1]['data_samples'].road2bev[-1]
    torch.testing.assert_close(road2bev, torch.linalg.inv(pose), atol=1e-5, rtol=0)
    assert torch.equal(samples['ego'][1]['data_samples'].road2bev[-1], torch.eye(4))


def test_labels_agree_up_to_the_rigid_transform(samples):
    """Each lidar cell's road point, carried into the ego frame, has the ego label there."""
    grid = GRIDS['lidar']
    pose, road2bev = lidar2ego(samples), samples['lidar'][1]['data_samples'].road2bev[-1]
    road = pillar_points(grid, (-0.5, 0.5), 1, road2bev[None])[0, :, 0]  # (Q, 3)
    in_ego = transform_points(pose, road)
    assert in_ego[:, 2].abs().max() < 1e-3
    xy = in_ego[None, None, :, :2]
    ego, certain = label(samples, 'ego'), uniform(label(samples, 'ego')).float()
    found, sure = (sample_bev(cells, GRIDS['ego'], xy, 'nearest')[0, :, 0] for cells in (ego, certain))
    inside = GRIDS['ego'].contains(xy)[0, 0] & (sure > 0)
    lidar = label(samples, 'lidar')[0].flatten(1)
    assert inside.float().mean() > 0.7
    assert torch.equal(found[inside], lidar[inside])
    assert (lidar.sum(1) > 50).sum() >= 3  # there is something to agree on


def test_the_truth_lies_on_the_same_pixels(samples):
    """The maps of both frames, reprojected into the cameras; a road at the lidar would hang above these."""
    views = {}
    for frame in GRIDS:
        now = rig(samples, frame).frame(-1)
        arguments = (GRIDS[frame], now.bev2img, now.road2bev, now.image_size, 1)
        views[frame], _, valid = reproject(label(samples, frame), *arguments)
        views[frame, 'valid'] = valid & (reproject(uniform(label(samples, frame)).float(), *arguments)[0] > 0.999)
    both = views['ego', 'valid'] & views['lidar', 'valid']
    assert both.sum() > 20_000
    torch.testing.assert_close(views['ego'][both], views['lidar'][both], atol=1e-3, rtol=0)

    now = rig(samples, 'lidar').frame(-1)
    at_lidar = torch.eye(4)[None]
    _, _, valid = reproject(label(samples, 'lidar'), GRIDS['lidar'], now.bev2img, at_lidar, now.image_size, 1)
    assert not (valid & views['ego', 'valid'][:, 0]).any()


def test_both_pillars_stand_on_the_same_pixels(samples):
    """What the encoder looks at: the pillar of a road point has its foot at the same pixel of each camera."""
    road2bev = rig(samples, 'lidar').frame(-1).road2bev
    feet = pillar_points(GRIDS['lidar'].with_cell_size(3.0), (-1.0, 3.0), 4, road2bev)[:, :, :1]
    pixels = {}
    for frame, points in (('lidar', feet), ('ego', transform_points(lidar2ego(samples), feet))):
        now = rig(samples, frame).frame(-1)
        pixels[frame], _, pixels[frame, 'visible'] = project_points(
            points[..., 0, :][:, None], now.bev2img, now.image_size
        )
    visible = pixels['ego', 'visible']
    assert torch.equal(visible, pixels['lidar', 'visible']) and visible.sum() > 50
    torch.testing.assert_close(pixels['ego'][visible], pixels['lidar'][visible], atol=0.02, rtol=0)


def losses(samples, bev_frame):
    """Of the truth as prediction: in the cameras against the ego truth, and against the frame before."""
    all_frames, grid = rig(samples, bev_frame), GRIDS[bev_frame]
    now, before = all_frames.frame(-1), all_frames.frame(0)
    logits = [8 * label(samples, bev_frame, index) - 4 for index in (0, 1)]
    ego = rig(samples, 'ego').frame(-1)
    target, _, valid = reproject(label(samples, 'ego'), GRIDS['ego'], ego.bev2img, ego.road2bev, ego.image_size, 2)
    target = torch.where(valid[:, None], (target > 0.5) * POSITIVE, IGNORE).to(torch.uint8).transpose(1, 2)
    confidence = torch.full(valid.shape, 255, dtype=torch.uint8)
    head = ReprojectionHead(dict(type='SegmentationLoss'))
    reprojection = head.compare(logits[1], grid, now.bev2img, now.road2bev, now.image_size, target, confidence)
    seen = [frame.observed(grid) for frame in (now, before)]
    temporal = temporal_consistency_loss(logits[1], logits[0], grid, all_frames.target2source(1, 0), *seen)
    return reprojection.item(), temporal.item()


def test_losses_of_the_truth_are_as_small_in_both_frames(samples):
    ego, lidar = losses(samples, 'ego'), losses(samples, 'lidar')
    assert lidar == pytest.approx(ego, rel=0.25)
    assert lidar[0] < 0.15 and lidar[1] < 0.02  # 0.69 and 0.25 for a map that knows nothing


@pytest.mark.parametrize('bev_frame', ['ego', 'lidar'])
def test_autocast_changes_no_geometry(samples, bev_frame):
    now, grid = rig(samples, bev_frame).frame(-1), GRIDS[bev_frame]

    def geometry():
        return now.observed(grid), pillar_points(grid, (-1.0, 3.0), 4, now.road2bev)

    plain, expected = geometry(), losses(samples, bev_frame)
    with torch.autocast('cpu', torch.bfloat16):
        rounded = geometry()
        assert losses(samples, bev_frame) == pytest.approx(expected)
    assert all(map(torch.equal, rounded, plain))


def test_history_is_warped_as_far_in_both_frames(samples):
    """The truth of the frame before, warped, is the truth of now, but for what the edges lose."""
    for frame, grid in GRIDS.items():
        warped, valid = warp_bev(label(samples, frame, 0), grid, rig(samples, frame).target2source(1, 0))
        now = label(samples, frame)
        inside = (valid[:, None] & uniform(now)).expand_as(now)
        assert inside.float().mean() > 0.6
        assert ((warped > 0.5) == (now > 0.5))[inside].float().mean() > 0.999, frame


def test_metric_and_pictures_know_the_frame(samples):
    pictures = {}
    for frame in GRIDS:
        packed = samples[frame][1]
        sample = packed['data_samples'].clone()
        sample.pred_bev_seg = sample.gt_bev_seg.float()
        sample.set_metainfo(dict(pred_classes=sample.bev_classes))
        metric = BEVIoUMetric(classes=sample.bev_classes)
        metric.process(None, [sample.to_dict()])
        assert metric.evaluate(1)['bev/mIoU'] == 1.0
        pictures[frame] = draw_sample(packed['inputs']['img'][-1], sample)
        pictures[frame, 'bev'] = turn_forward_up(sample.gt_bev_seg[0].numpy(), frame)
    assert pictures['ego'].shape == pictures['lidar'].shape
    # Forward is up in both; the lidar sits 0.94 m ahead, so its picture shows the world four cells further down.
    ego, lidar = pictures['ego', 'bev'], pictures['lidar', 'bev']
    assert ego.shape == lidar.shape == (240, 120)
    assert (np.roll(ego, round(0.94 / CELL), 0) == lidar)[8:-8].mean() > 0.97
