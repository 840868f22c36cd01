"""Missing cameras, and reprojection into the frames around the last one."""

import pytest
import torch
from toy_segmentor import ALL, CAMERAS, COARSE, FRAMES, GRID, LOSS, images, make_model, make_sample

from ssl_bev.geometry import BEVGrid, ground_homography, pixel_grid, pixels_to_ground
from ssl_bev.models import BEVMap, Frame, ReprojectionHead, Window
from ssl_bev.structures import CameraRig
from ssl_bev.targets import POSITIVE


def with_cameras(sample, *valid):
    sample.camera_valid = torch.tensor(valid).expand(FRAMES, CAMERAS).clone()
    return sample


def in_view_of(sample, present):
    """Labels of what each frame's cameras see of a world that is given in the last frame's coordinates."""
    pixels = pixel_grid((8, 16), dtype=torch.float64).flatten(0, 1) * 2  # labels at stride 2
    for t in range(FRAMES):
        for n in range(CAMERAS):
            homography = ground_homography(sample.bev2img[t, n].double(), sample.road2bev[t].double())
            xy, _, valid = pixels_to_ground(pixels, homography)
            moved = sample.bev2global[t, :2, 3] - sample.bev2global[-1, :2, 3]  # no turns
            # A pixel of these labels is up to metres long: what lies near the edge is nobody's fault.
            label = torch.where(valid[:, None], present(xy + moved, 1.6), 255.0).T.reshape(2, 8, 16)
            sample.pseudo_target[t, n] = label.to(torch.uint8)
    return sample


def test_the_map_is_right_in_the_cameras_of_neighbouring_frames():
    """The world ends 3.5 m ahead of the last frame and begins 1.5 m to the right; the car drives 1 m a frame."""

    def present(xy, margin=0.0):
        inside = torch.stack([3.5 - xy[:, 0], xy[:, 1] + 1.5], -1)
        return torch.where(inside.abs() < margin, 255.0, (inside > 0).double() * POSITIVE)

    sample = in_view_of(make_sample(0), present)
    grid = BEVGrid(**GRID)
    logits = (present(grid.cell_centers().double().flatten(0, 1)).T.reshape(1, 2, 8, 16).float() * 2 - POSITIVE) / 28

    def loss(weight, changed=sample):
        head = ReprojectionHead(LOSS, num_frames=1, neighbour_weight=weight)
        rig = CameraRig.from_data_samples([changed])
        bev = BEVMap(logits, tuple(COARSE), grid)
        return head.loss(Window([Frame(2, rig.frame(2), [], dict(coarse=bev))], rig, [changed])).item()

    own = loss(0.0)
    assert own < 0.001 and loss(0.3) < 0.001
    with torch.autocast('cpu', torch.bfloat16):
        assert loss(0.3) < 0.001
    mapped = sample.clone()
    mapped.road_heights = torch.zeros(FRAMES, 2, 2)
    mapped.set_metainfo(dict(road_grid=BEVGrid((-20, 20), (-20, 20), 20)))
    with torch.autocast('cpu', torch.bfloat16):  # a known road comes from each of the frames
        assert loss(0.3, mapped) < 0.001
    backwards = sample.clone()
    backwards.bev2global[:, 0, 3] *= -1
    assert loss(0.0, backwards) == own
    assert loss(0.3, backwards) > 0.1
    backwards.frame_valid[:2] = False  # the window reaches beyond its scene: repeated frames teach nothing
    assert loss(0.3, backwards) == pytest.approx(own)


def test_neighbours_teach_every_trained_map():
    losses = []
    for weight in (0.0, 0.3):
        model = make_model(dict(reprojection=dict(neighbour_weight=weight)))
        model.set_loss_weights(dict(reprojection=1.0))
        losses.append(model(images(1), [make_sample(0)], mode='loss')['loss_reprojection'])
    assert losses[0] != losses[1]
    losses[1].backward()
    assert model.bev_encoder.cells.grad.abs().sum() > 0
    with pytest.raises(ValueError, match='neighbour_weight must not be negative, got -1'):
        ReprojectionHead(LOSS, neighbour_weight=-1)


def test_a_missing_camera_is_neither_seen_nor_taught():
    """Whatever its image and its calibration hold; a batch may mix full and partial rigs."""
    model, other = make_model(), images(2)['img']
    model.set_loss_weights(ALL)
    other[1, :, 0] += 3.0

    def losses(pictures):
        batch = [make_sample(0), with_cameras(make_sample(1), False, True)]
        batch[1].pseudo_confidence[:, 0] = 0
        if pictures is other:
            batch[1].bev2img[:, 0] = batch[0].bev2img[:, 1]
        return model(dict(img=pictures), batch, mode='loss')

    for name, value in losses(images(2)['img']).items():
        torch.testing.assert_close(losses(other)[name], value)
    assert not torch.equal(
        losses(images(2)['img'])['loss_seg'],
        model(images(2), [make_sample(0), make_sample(1)], mode='loss')['loss_seg'],
    )


def test_samples_with_other_numbers_of_cameras_are_named():
    batch = [make_sample(0), make_sample(1)]
    batch[1].bev2img = batch[1].bev2img[:, :1]
    first, second = (sample.sample_token for sample in batch)
    with pytest.raises(ValueError, match=rf'frames and cameras, got {first}: \(\d, 2\), {second}: \(\d, 1\)'):
        CameraRig.from_data_samples(batch)


def test_the_ground_that_only_a_missing_camera_sees_is_not_observed():
    sample = make_sample(0)
    grid = make_model().seg_head.grid
    seen = {}
    for valid in ((True, True), (True, False), (False, True)):
        rig = CameraRig.from_data_samples([with_cameras(sample, *valid)])
        seen[valid] = rig.frame(0).observed(grid)
    assert torch.equal(seen[True, False] | seen[False, True], seen[True, True])
    assert not torch.equal(seen[True, False], seen[True, True])
