import pytest
import torch

from ssl_bev.geometry import (
    BEVGrid,
    ground_lift,
    invert_rigid,
    project_points,
    reproject,
    rotation_z,
    transform_points,
)

GRID = BEVGrid(x_range=(-10, 20), y_range=(-10, 10), cell_size=0.5)
SIZE = (100, 200)
ROAD = torch.eye(4)


def bev_of(function, batch=1):
    """A map whose value at each cell centre is function(x, y)."""
    x, y = GRID.cell_centers().unbind(-1)
    return function(x, y).expand(batch, 1, *GRID.shape).clone()


def test_a_coordinate_map_returns_the_ground_behind_each_pixel(forward_camera):
    """As the hand-worked pixel of test_projection, for the centre of a block of pixels."""
    cameras = forward_camera[None, None]
    x, area, valid = reproject(bev_of(lambda x, y: x), GRID, cameras, ROAD[None], SIZE, stride=10)
    y, _, _ = reproject(bev_of(lambda x, y: y), GRID, cameras, ROAD[None], SIZE, stride=10)
    assert x.shape == (1, 1, 1, 10, 20) and area.shape == valid.shape == (1, 1, 10, 20)
    assert valid[0, 0, 6, 7]
    # Row 6 and column 7 are the block around (75, 65): depth 150 / 15 = 10, left by 10 * 25 / 100.
    torch.testing.assert_close(x[0, 0, 0, 6, 7], torch.tensor(10.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(y[0, 0, 0, 6, 7], torch.tensor(2.5), atol=1e-3, rtol=0)


def test_valid_is_below_the_horizon_and_inside_the_grid(forward_camera):
    _, _, valid = reproject(bev_of(lambda x, y: x), GRID, forward_camera[None, None], ROAD[None], SIZE, stride=1)
    rows = valid[0, 0].any(1).nonzero()[:, 0]
    assert rows.min() == 57  # x = 20 is seen at v = 50 + 150 / 20 = 57.5, the centre of row 57
    assert rows.max() == 99


def test_equals_a_loop_over_samples_cameras_and_pixels(forward_camera, left_camera):
    bev = torch.rand(2, 3, *GRID.shape, generator=torch.Generator().manual_seed(0))
    cameras = torch.stack([torch.stack([forward_camera, left_camera]), torch.stack([left_camera, forward_camera])])
    cameras[1] = cameras[1] @ rotation_z(torch.tensor(0.2))
    values, _, valid = reproject(bev, GRID, cameras, ROAD.repeat(2, 1, 1), SIZE, stride=20)
    checked = 0
    for b in range(2):
        for n in range(2):
            inverse = torch.linalg.inv(cameras[b, n].double())
            for i, j in [(3, 2), (3, 7), (4, 0), (4, 5), (1, 3)]:
                pixel = torch.tensor([(j + 0.5) * 20, (i + 0.5) * 20], dtype=torch.float64)
                near, far = (inverse @ torch.tensor([*(pixel * d), d, 1], dtype=torch.float64) for d in (0.0, 1.0))
                along = -near[2] / (far[2] - near[2])
                x, y = (near + along * (far - near))[:2].tolist()
                inside = along > 0 and -10 <= x <= 20 and -10 <= y <= 10
                assert bool(valid[b, n, i, j]) == bool(inside)
                if inside:
                    column, row = (x + 10) / 0.5 - 0.5, (y + 10) / 0.5 - 0.5
                    c, r = int(column // 1), int(row // 1)
                    clamp = lambda k, size: min(max(k, 0), size - 1)  # noqa: E731
                    expected = sum(
                        (1 - abs(column - cc))
                        * (1 - abs(row - rr))
                        * bev[b, :, clamp(rr, GRID.shape[0]), clamp(cc, GRID.shape[1])]
                        for cc in (c, c + 1)
                        for rr in (r, r + 1)
                    )
                    torch.testing.assert_close(values[b, :, n, i, j], expected.float(), atol=2e-3, rtol=0)
                    checked += 1
    assert checked >= 8


def test_gradients_reach_only_seen_cells(forward_camera):
    bev = bev_of(lambda x, y: x).requires_grad_()
    values, _, _ = reproject(bev, GRID, forward_camera[None, None], ROAD[None], SIZE, stride=1)
    values.sum().backward()
    centers = GRID.cell_centers()
    points = torch.cat([centers, torch.zeros_like(centers[..., :1])], -1).flatten(0, 1)
    visible = project_points(points, forward_camera, SIZE)[2].unflatten(0, GRID.shape)
    moved = bev.grad[0, 0] != 0
    near = centers[..., 0] < 7  # further ahead a row of pixels skips cells
    assert moved[visible & near].all() and (visible & near).sum() > 50
    behind = centers[..., 0] < 0
    assert not moved[behind].any()


def test_batch_independence_and_unchanged_inputs(forward_camera, left_camera):
    bev = torch.rand(2, 2, *GRID.shape, generator=torch.Generator().manual_seed(0))
    cameras = torch.stack([forward_camera, left_camera])[:, None]
    before = bev.clone(), cameras.clone()
    together = reproject(bev, GRID, cameras, ROAD.repeat(2, 1, 1), SIZE, stride=10)
    for i in range(2):
        alone = reproject(bev[i : i + 1], GRID, cameras[i : i + 1], ROAD[None], SIZE, stride=10)
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a[i : i + 1], b)
    assert torch.equal(bev, before[0]) and torch.equal(cameras, before[1])


def test_the_lidar_frame_gives_the_same_image(forward_camera, tilted_road2bev):
    """A map that is a function of the road position looks the same from both BEV frames."""
    grid = BEVGrid((-40, 40), (-40, 40), 0.5)
    wave = lambda x, y: torch.sin(x / 4) + torch.cos(y / 4)  # noqa: E731
    centers = grid.cell_centers().flatten(0, 1)
    ego = wave(*centers.T).view(1, 1, *grid.shape)
    lifted = torch.cat([centers, torch.ones_like(centers[:, :1])], -1) @ ground_lift(tilted_road2bev).mT
    on_road = transform_points(invert_rigid(tilted_road2bev), lifted[:, :3])
    lidar = wave(on_road[:, 0], on_road[:, 1]).view(1, 1, *grid.shape)
    camera_of_lidar = forward_camera @ invert_rigid(tilted_road2bev)
    a, _, valid_a = reproject(ego, grid, forward_camera[None, None], ROAD[None], SIZE, 5)
    b, _, valid_b = reproject(lidar, grid, camera_of_lidar[None, None], tilted_road2bev[None], SIZE, 5)
    both = valid_a & valid_b
    assert both.sum() > 100
    torch.testing.assert_close(a[:, 0][both], b[:, 0][both], atol=0.02, rtol=0)


def test_stride_must_divide(forward_camera):
    with pytest.raises(ValueError, match='stride 7'):
        reproject(bev_of(lambda x, y: x), GRID, forward_camera[None, None], ROAD[None], SIZE, 7)


def test_maps_of_a_batch_do_not_leak_into_each_other(forward_camera):
    """The maps lie one above the other when they are read; pixels on their very edges read their own."""
    bev = torch.stack([torch.zeros(1, *GRID.shape), torch.full((1, *GRID.shape), 1e6), torch.zeros(1, *GRID.shape)])
    cameras = (forward_camera @ rotation_z(torch.tensor(-torch.pi / 3))).expand(3, 1, 4, 4)
    values, _, valid = reproject(bev, GRID, cameras, ROAD.repeat(3, 1, 1), SIZE, stride=1)
    assert (values[[0, 2]] == 0).all()
    torch.testing.assert_close(values[1, 0][valid[1]], torch.full((int(valid[1].sum()),), 1e6))
