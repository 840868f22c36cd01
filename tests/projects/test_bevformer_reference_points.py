"""Pillars stand on the road, and cameras list what they see of them."""

import pytest
import torch
from bevformer_rig import IMAGE_SIZE, ring_of_cameras

from projects.BEVFormer.bevformer.reference_points import cell_fractions, pillar_points, view_pillars
from ssl_bev.geometry import BEVGrid, translation

GRID = BEVGrid((-2, 4), (0, 4), 2)  # 2 rows, 3 columns


def test_pillars_by_hand():
    points = pillar_points(GRID, (-1, 3), 4)
    assert points.shape == (1, 6, 4, 3)
    assert points[0, 0].tolist() == [[-1, 1, -0.5], [-1, 1, 0.5], [-1, 1, 1.5], [-1, 1, 2.5]]
    assert points[0, 1, 0].tolist() == [1, 1, -0.5]  # x first: rows are y
    assert points[0, 3, 0].tolist() == [-1, 3, -0.5]


def test_pillars_stand_on_the_road_of_each_sample():
    slope = torch.eye(4)
    slope[:3, :3] = torch.tensor([[0.8, 0, -0.6], [0, 1, 0], [0.6, 0, 0.8]])  # rises 3 in 4 along x
    road2bev = torch.stack([translation(torch.tensor([0.0, 0, -1.84])), slope])
    points = pillar_points(GRID, (-1, 3), 4, road2bev)
    flat = pillar_points(GRID, (-1, 3), 4)[0]
    assert torch.equal(points[..., :2], flat[..., :2].expand(2, -1, -1, -1))
    torch.testing.assert_close(points[0, ..., 2], flat[..., 2] - 1.84)
    torch.testing.assert_close(points[1, ..., 2], flat[..., 2] + 0.75 * flat[..., 0])


def test_cell_fractions():
    assert cell_fractions((2, 4)).tolist()[:5] == [
        [0.125, 0.25],
        [0.375, 0.25],
        [0.625, 0.25],
        [0.875, 0.25],
        [0.125, 0.75],
    ]


def test_views_by_hand():
    # One camera looks forward (+x), the other back; 1.5 m above the road, focal length 50, image 96 x 64.
    bev2img = ring_of_cameras(2)[None]
    points = torch.tensor([[[10.0, 2, 0.5]], [[-5.0, 0, 1.5]], [[1.0, 8, 0]]])[None]  # ahead, behind, beside
    views = view_pillars(points, bev2img, IMAGE_SIZE)
    assert views.cameras.index.tolist() == [0, 1]
    assert views.query.tolist() == [0, 1]
    expected = torch.tensor([[(48 - 50 * 2 / 10) / 96, (32 + 50 * 1 / 10) / 64], [0.5, 0.5]])
    torch.testing.assert_close(views.references[:, 0], expected)
    assert views.num_views.tolist() == [[1, 1, 1]]  # the third is seen by none


def test_pillar_points_behind_the_camera_are_far_outside():
    # A pillar that leans through the camera: one point in front, one behind.
    points = torch.tensor([[[5.0, 0, 1.5], [-5.0, 0, 1.5]]])[None]
    views = view_pillars(points, ring_of_cameras(1)[None], IMAGE_SIZE)
    torch.testing.assert_close(views.references[0, 0], torch.tensor([0.5, 0.5]))
    assert (views.references[0, 1] < -5).all()


def test_samples_have_views_of_their_own():
    points = pillar_points(BEVGrid((-8, 8), (-4, 4), 1), (-1, 3), 4)
    rigs = [ring_of_cameras(3), ring_of_cameras(3, first_yaw=0.5, focal_length=90)]
    together = view_pillars(points, torch.stack(rigs), IMAGE_SIZE)
    alone = [view_pillars(points, rig[None], IMAGE_SIZE) for rig in rigs]
    assert len(alone[0].query) != len(alone[1].query)
    assert torch.equal(together.references, torch.cat([views.references for views in alone]))
    assert torch.equal(together.num_views, torch.cat([views.num_views for views in alone]))
    num_queries = points.shape[1]
    assert torch.equal(together.query, torch.cat([alone[0].query, alone[1].query + num_queries]))
    assert torch.equal(together.cameras.index, torch.cat([alone[0].cameras.index, alone[1].cameras.index + 3]))
    for part, views in zip(together.split(2), alone, strict=True):
        assert part.cameras.counts == views.cameras.counts
        for name in ('query', 'references', 'num_views'):
            assert torch.equal(getattr(part, name), getattr(views, name))
        assert torch.equal(part.cameras.index, views.cameras.index)
        assert torch.equal(part.cameras.slot, views.cameras.slot)


@pytest.mark.parametrize('num_cameras', [1, 5, 6])
def test_any_number_of_cameras(num_cameras):
    points = pillar_points(BEVGrid((-8, 8), (-4, 4), 1), (-1, 3), 4)
    views = view_pillars(points, ring_of_cameras(num_cameras)[None], IMAGE_SIZE)
    assert set(views.cameras.index.tolist()) == set(range(num_cameras))
    assert views.references.isfinite().all()
