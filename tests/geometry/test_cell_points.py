import math

import pytest
import torch

from ssl_bev.geometry import cell_points

CPU = torch.device('cpu')


def test_an_area_is_asked_at_the_middles_of_equal_parts():
    offsets, in_cell, (asked,), _ = cell_points(0.25, (None,), (None,), CPU)
    assert in_cell == len(offsets) == len(offsets[asked]) == 4
    torch.testing.assert_close(offsets, torch.tensor([[-1.0, -1], [-1, 1], [1, -1], [1, 1]]) * 0.0625)
    assert cell_points(0.1, (None,), (None,), CPU)[0].tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ('cell_size', 'radius', 'other_radii'),
    [
        (0.25, 0.19, ()),
        (0.15, 0.315, ()),
        (0.5, 0.69, ()),
        (0.05, 0.0, ()),
        (0.15, 0.375, (0.19, 0.315)),
        (0.15, 0.315, (0.19, 0.69)),
    ],
)
def test_no_paint_within_the_radius_slips_through_and_none_beyond_is_met(cell_size, radius, other_radii):
    """Straight paint 0.12 m wide, in any direction, at any distance from the centre."""
    offsets, _, (asked, *_), _ = cell_points(cell_size, (radius, *other_radii), (None,) * (1 + len(other_radii)), CPU)
    for angle in torch.linspace(0, math.pi, 13):
        across = offsets[asked] @ torch.stack([angle.cos(), angle.sin()])
        for distance in torch.linspace(0, radius + 0.5, 60):
            met = ((across - distance).abs() <= 0.06).any()
            if distance <= 0.9 * radius:
                assert met, (angle, distance)
            # The points spread over a cell may lie a little beyond a small radius.
            elif distance > max(radius, cell_size / 2) + 0.061:
                assert not met, (angle, distance)


def test_each_class_asks_its_own_points():
    offsets, in_cell, asked, around = cell_points(0.25, (None, 0.19, 0.315), (None, 1.0, 0.5), CPU)
    assert [
        bool((offsets[points].norm(dim=1) <= r + 1e-5).all())
        for points, r in zip(asked[1:], (0.19, 0.315), strict=True)
    ]
    assert len(offsets[asked[1]]) < len(offsets[asked[2]]) and len(offsets[asked[0]]) == in_cell == 4
    assert [len(offsets[points]) for points in around] == [0, 8, 8]
    for points, margin in zip(around[1:], (1.0, 0.5), strict=True):
        torch.testing.assert_close(offsets[points].norm(dim=1), torch.full((8,), margin))
