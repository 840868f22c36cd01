"""The ground: a plane, or heights over a plane. All code that needs the ground uses this module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .bev_grid import BEVGrid
from .precision import full_precision
from .projection import ground_lift
from .transforms import invert_rigid, transform_points

_SLOPE_STEP = 0.5  # metres to either side


@dataclass(frozen=True)
class Road:
    """The surface z = height(x, y) of the road frame.

    Convention: `heights` lie on a grid over the x and y of the *road* frame, so they do not change when the BEV
    frame is turned or mirrored. They are interpolated between cells; outside of the grid, the height of its edge
    continues. In the BEV frame, the ground is the point above or below a position (x, y), along z of the frame.

    Args:
        road2bev: poses of the road frame in the BEV frame.
        heights: metres over its plane z = 0; None or empty: the road is the plane.
        grid: of the heights.

    Raises:
        ValueError: heights without a grid or of another shape.
    """

    road2bev: Tensor  # (..., 4, 4)
    heights: Tensor | None = None  # (..., h, w)
    grid: BEVGrid | None = None

    def __post_init__(self) -> None:
        if self.heights is None or not self.heights.numel():
            object.__setattr__(self, 'heights', None)
            return
        if self.grid is None:
            raise ValueError('heights of a road need their grid, got None')
        self.grid.check(self.heights)
        if self.heights.shape[:-2] != self.road2bev.shape[:-2]:
            raise ValueError(
                f'heights must be one map for each road2bev of {tuple(self.road2bev.shape)}, '
                f'got {tuple(self.heights.shape)}'
            )

    @classmethod
    def of(cls, road: Road | Tensor) -> Road:
        """A road, or the plane z = 0 of the road frame with this pose (..., 4, 4)."""
        return road if isinstance(road, Road) else cls(road)

    @classmethod
    def cat(cls, roads: Sequence[Road], dim: int = 0) -> Road:
        """Concatenate roads along a batch dimension; all of them have heights, or none."""
        maps = [road.heights for road in roads if road.heights is not None]
        heights = torch.cat(maps, dim) if maps else None
        return cls(torch.cat([road.road2bev for road in roads], dim), heights, roads[0].grid)

    @property
    def is_plane(self) -> bool:
        """Whether there are no heights."""
        return self.heights is None

    def __getitem__(self, index: Any) -> Road:
        """Index the batch dimensions, as in `road[:, None]`."""
        heights = None if self.heights is None else self.heights[index]
        return Road(self.road2bev[index], heights, self.grid)

    def to(self, like: Tensor) -> Road:
        """The road in the precision and on the device of a tensor."""
        return Road(self.road2bev.to(like), None if self.heights is None else self.heights.to(like), self.grid)

    @full_precision
    def rise(
        self,
        xy: Tensor,  # (..., P, 2), metres in the BEV frame
    ) -> Tensor:  # (..., P), metres
        """Height of the ground above the plane, along z of the BEV frame; batch dimensions broadcast."""
        if self.heights is None or self.grid is None:
            return xy.new_zeros(*torch.broadcast_shapes(xy.shape[:-2], self.road2bev.shape[:-2]), xy.shape[-2])
        # The general inverse: an augmented BEV frame may be scaled.
        bev2road = torch.linalg.inv_ex(self.road2bev.double()).inverse
        plane2road = (bev2road @ ground_lift(self.road2bev.double())).to(xy)[..., :2, :]
        positions = xy @ plane2road[..., :2].mT + plane2road[..., None, :, 2]
        batch = positions.shape[:-2]
        heights = self.heights.to(xy).expand(*batch, *self.grid.shape).reshape(-1, 1, *self.grid.shape)
        positions = self.grid.normalize(positions).reshape(len(heights), -1, 1, 2)
        found = F.grid_sample(heights, positions, padding_mode='border', align_corners=False)
        return found.reshape(*batch, -1) / bev2road[..., 2, 2].to(xy)[..., None]

    def slope(
        self,
        xy: Tensor,  # (..., P, 2), metres in the BEV frame
    ) -> Tensor:  # (..., P, 2)
        """How `rise` grows with x and with y."""
        steps = _SLOPE_STEP * torch.eye(2, dtype=xy.dtype, device=xy.device)
        return torch.stack([self.rise(xy + step) - self.rise(xy - step) for step in steps], -1) / (2 * _SLOPE_STEP)


@full_precision
def lift_to_road(
    xy: Tensor,  # (..., P, 2), metres in the BEV plane
    road: Road | Tensor,  # (...), or road2bev (..., 4, 4)
) -> Tensor:  # (..., P, 3)
    """The road points above or below positions of the BEV plane; batch dimensions broadcast."""
    road = Road.of(road)
    points = (torch.cat([xy, torch.ones_like(xy[..., :1])], -1) @ ground_lift(road.road2bev).mT)[..., :3]
    return points if road.is_plane else torch.cat([points[..., :2], points[..., 2:] + road.rise(xy)[..., None]], -1)


@full_precision
def height_over_road(
    points: Tensor,  # (..., P, 3), metres in the BEV frame
    road: Road | Tensor,
) -> Tensor:  # (..., P), metres
    """Height of points above the ground, perpendicular to the plane of the road; batch dimensions broadcast."""
    road = Road.of(road)
    bev2road = invert_rigid(road.road2bev)
    height = transform_points(bev2road, points)[..., 2]
    return height if road.is_plane else height - road.rise(points[..., :2]) * bev2road[..., 2, 2, None]
