"""Where BEV queries look: pillars over the road, their images in the cameras, and cells as fractions of the grid."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ssl_bev.geometry import BEVGrid, Road, constant, points_over_road, project_points
from ssl_bev.geometry.projection import MIN_DEPTH

from .deformable_sampling import RowGroups

_FAR_OUTSIDE = -10.0  # image widths: no sampling offset leads back from there


@dataclass(frozen=True)
class PillarViews:
    """The (camera, query) pairs in which at least one point of the query's pillar is visible; V of them.

    Computed once for a window of frames and shared by all layers.

    Args:
        cameras: the feature map (sample * num_cameras + camera) of each pair, in ascending order.
        query: flat index (sample * num_queries + query) of each pair, (V,), int64.
        references: pillar points as (x, y) fractions of the image, (V, D, 2); far outside if behind the camera.
        num_views: number of cameras that see each query, at least 1, (B, Q), float.
    """

    cameras: RowGroups
    query: Tensor
    references: Tensor
    num_views: Tensor

    def split(self, parts: int) -> list[PillarViews]:
        """The views of equally many samples each, in their order, as if each part had been viewed by itself."""
        cameras, num_views = self.cameras.split(parts), self.num_views.chunk(parts)
        rows = [group.num_rows for group in cameras]
        pieces = zip(cameras, self.query.split(rows), self.references.split(rows), num_views, strict=True)
        return [
            PillarViews(group, query - part * views.numel(), references, views)
            for part, (group, query, references, views) in enumerate(pieces)
        ]


def pillar_points(
    grid: BEVGrid,
    z_range: tuple[float, float],
    num_heights: int,
    road: Road | Tensor | None = None,  # (B), or road2bev (B, 4, 4)
    device: torch.device | str | None = None,
) -> Tensor:  # (B or 1, Q, D, 3), metres in the BEV frame
    """`points_over_road` at BEVFormer's heights.

    Convention: they run evenly from half a metre above the lowest to half a metre below the highest.

    Args:
        grid: the cells.
        z_range: lowest and highest height, metres, at least 1 m apart; (-0.5, 0.5) puts all points on the road.
        num_heights: points of a pillar.
        road: where the ground is; None says that it is at z = 0.
        device: where to make the points if `road` is None.
    """
    device = device if road is None else Road.of(road).road2bev.device
    heights = torch.linspace(z_range[0] + 0.5, z_range[1] - 0.5, num_heights, device=device)
    return points_over_road(grid, heights, road)


@torch.no_grad()
def view_pillars(
    points: Tensor,  # (B or 1, Q, D, 3)
    bev2img: Tensor,  # (B, N, 4, 4)
    image_size: tuple[int, int],
    camera_valid: Tensor | None = None,  # (B, N), bool
) -> PillarViews:
    """Project pillars into all cameras and list who sees what, in float32 whatever autocast says; waits once.

    Args:
        points: pillar points in the BEV frame, metres.
        bev2img: projections into the (augmented, padded) images that the features come from.
        image_size: height and width of these images, pixels.
        camera_valid: False where a camera is missing and sees nothing; all are there if None.
    """
    batch, num_cameras = bev2img.shape[:2]
    num_queries, num_heights = points.shape[1:3]
    pixels, depth, visible = project_points(points.flatten(1, 2)[:, None], bev2img.float(), image_size)
    shape = (batch, num_cameras, num_queries, num_heights)
    references = pixels / constant((image_size[1], image_size[0]), pixels)
    references = torch.where((depth > MIN_DEPTH)[..., None], references, _FAR_OUTSIDE).view(*shape, 2)
    seen = visible.view(shape).any(-1)
    if camera_valid is not None:
        seen = seen & camera_valid[..., None]
    cameras, pair = RowGroups.from_mask(seen.flatten(0, 1))
    return PillarViews(
        cameras=cameras,
        query=pair // (num_cameras * num_queries) * num_queries + pair % num_queries,
        references=references.flatten(0, 2).index_select(0, pair),
        num_views=seen.sum(1).clamp(min=1).to(references.dtype),
    )


def cell_fractions(
    bev_shape: tuple[int, int],
    device: torch.device | str | None = None,
) -> Tensor:  # (Q, 2)
    """The (x, y) of cell centres as fractions of the grid, in row-major order."""
    rows, columns = bev_shape
    centers = BEVGrid((0, columns), (0, rows), 1).cell_centers(device)
    return (centers / constant((columns, rows), centers)).flatten(0, 1)
