"""What holds of geometry for any pose, grid and camera."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from ssl_bev.geometry import (
    BEVGrid,
    ground_homography,
    invert_rigid,
    pixels_to_ground,
    project_points,
    rotation_z,
    scale_pixels,
    transform_points,
    translation,
    warp_bev,
)
from ssl_bev.geometry.projection import MIN_DEPTH

angles = st.floats(-math.pi, math.pi)
metres = st.floats(-1000, 1000)
IMAGE_SIZE = (300, 500)
# x forward, y left, z up -> x right, y down, z forward
AXES = torch.tensor([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=torch.float64)


def rotation(yaw: float, pitch: float, roll: float) -> torch.Tensor:
    """Turned about z, then y, then x."""
    turn = rotation_z(torch.tensor([yaw, pitch, roll], dtype=torch.float64))
    cyclic = torch.eye(4, dtype=torch.float64)[[1, 2, 0, 3]]
    about_x, about_y = cyclic.T @ cyclic.T, cyclic.T
    return turn[0] @ about_y @ turn[1] @ about_y.T @ about_x @ turn[2] @ about_x.T


def shift(*offset: float) -> torch.Tensor:
    return translation(torch.tensor(offset, dtype=torch.float64))


@st.composite
def poses(draw: st.DrawFn) -> torch.Tensor:
    return shift(*(draw(metres) for _ in range(3))) @ rotation(*(draw(angles) for _ in range(3)))


@st.composite
def grids(draw: st.DrawFn) -> BEVGrid:
    cell = draw(st.sampled_from([0.1, 0.15, 0.25, 0.5, 1.0]))
    columns, rows = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    x, y = draw(st.integers(-100, 100)) * cell, draw(st.integers(-100, 100)) * cell
    return BEVGrid((x, x + columns * cell), (y, y + rows * cell), cell)


@st.composite
def cameras(draw: st.DrawFn) -> torch.Tensor:
    """bev2img of a camera on a car: anywhere around it, up to 20 degrees down or up, rolled by up to 20."""
    focal = draw(st.floats(150, 1500))
    cam2img = torch.diag(torch.tensor([focal, focal, 1, 1], dtype=torch.float64))
    cam2img[:2, 2] = torch.tensor([draw(st.floats(200, 300)), draw(st.floats(100, 200))], dtype=torch.float64)
    tilt = st.floats(-0.35, 0.35)
    mounted = shift(draw(st.floats(-3, 3)), draw(st.floats(-1, 1)), draw(st.floats(0.5, 3)))
    return cam2img @ AXES @ invert_rigid(mounted @ rotation(draw(angles), draw(tilt), draw(tilt)))


@given(pose=poses(), points=st.lists(st.tuples(metres, metres, metres), min_size=1, max_size=4))
def test_an_inverse_undoes(pose: torch.Tensor, points: list) -> None:
    points = torch.tensor(points, dtype=torch.float64)
    torch.testing.assert_close(invert_rigid(pose) @ pose, torch.eye(4, dtype=torch.float64), atol=1e-9, rtol=0)
    back = transform_points(invert_rigid(pose), transform_points(pose, points))
    torch.testing.assert_close(back, points, atol=1e-9, rtol=1e-9)


@given(one=poses(), other=poses())
def test_the_inverse_of_a_chain_is_the_chain_of_inverses(one: torch.Tensor, other: torch.Tensor) -> None:
    chain = invert_rigid(other) @ invert_rigid(one)
    torch.testing.assert_close(invert_rigid(one @ other), chain, atol=1e-9, rtol=1e-9)


@given(
    bev2img=cameras(),
    road=st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1), st.floats(-0.4, 0.4)),
    pixel=st.tuples(st.floats(0, 500), st.floats(0, 300)),
)
def test_ground_under_a_pixel_is_seen_in_that_pixel(bev2img: torch.Tensor, road: tuple, pixel: tuple) -> None:
    """On a road that is tilted and lies higher or lower than the BEV plane."""
    pitch, roll, height = road
    road2bev = shift(0, 0, height) @ rotation(0, pitch, roll)
    pixels = torch.tensor([pixel], dtype=torch.float64)
    xy, area, valid = pixels_to_ground(pixels, ground_homography(bev2img, road2bev))
    assume(valid.all() and xy.norm() < 200)
    normal = road2bev[:3, 2]
    z = height - (normal[:2] * xy[0]).sum() / normal[2]
    back, depth, visible = project_points(torch.cat([xy[0], z[None]])[None], bev2img, IMAGE_SIZE)
    assume(depth > 1.01 * MIN_DEPTH)  # nearer points count as behind the camera
    torch.testing.assert_close(back, pixels, atol=1e-4, rtol=0)
    assert area > 0
    near_edge = torch.stack([pixels, pixels.new_tensor([IMAGE_SIZE[::-1]]) - pixels]).min() < 1e-3
    assert visible or near_edge


@given(
    bev2img=cameras(),
    point=st.tuples(metres, metres, st.floats(-3, 3)),
    scale=st.tuples(st.floats(0.1, 4), st.floats(0.1, 4)),
)
def test_a_resized_image_shows_a_point_at_resized_pixels(bev2img: torch.Tensor, point: tuple, scale: tuple) -> None:
    points = torch.tensor([point], dtype=torch.float64)
    pixels, depth, _ = project_points(points, bev2img, IMAGE_SIZE)
    resized, same_depth, _ = project_points(points, scale_pixels(bev2img, *scale), IMAGE_SIZE)
    assume(depth > 0.1)
    torch.testing.assert_close(resized, pixels * pixels.new_tensor(scale), rtol=1e-9, atol=1e-6)
    torch.testing.assert_close(same_depth, depth)


@given(grid=grids())
def test_cells_have_their_centres(grid: BEVGrid) -> None:
    rows, columns = grid.shape
    centers = grid.cell_centers(dtype=torch.float64)
    assert grid.cell_index(centers).flatten().tolist() == list(range(rows * columns))
    assert grid.contains(centers).all()
    corners = torch.tensor([[x, y] for x in grid.x_range for y in grid.y_range], dtype=torch.float64)
    torch.testing.assert_close(grid.normalize(corners).abs(), torch.ones_like(corners))
    again = BEVGrid.from_shape(grid.x_range, grid.y_range, grid.shape)
    assert again.shape == grid.shape and again.cell_size == pytest.approx(grid.cell_size)


@given(grid=grids(), by=st.tuples(st.integers(-5, 5), st.integers(-5, 5)), seed=st.integers(0, 9))
def test_a_shift_by_whole_cells_moves_the_map(grid: BEVGrid, by: tuple, seed: int) -> None:
    columns_on, rows_on = by
    bev = torch.rand(1, 1, *grid.shape, generator=torch.Generator().manual_seed(seed))
    pose = translation(torch.tensor([columns_on * grid.cell_size, rows_on * grid.cell_size, 0.0]))
    moved, valid = warp_bev(bev, grid, pose[None])
    rows, columns = (torch.arange(n) for n in grid.shape)
    source_rows, source_columns = rows + rows_on, columns + columns_on
    inside = ((source_rows >= 0) & (source_rows < len(rows)))[:, None]
    inside = inside & (source_columns >= 0) & (source_columns < len(columns))
    assert torch.equal(valid[0], inside)
    expected = bev[0, 0][source_rows.clamp(0, len(rows) - 1)][:, source_columns.clamp(0, len(columns) - 1)]
    torch.testing.assert_close(moved[0, 0], torch.where(inside, expected, 0.0), atol=2e-3, rtol=0)
