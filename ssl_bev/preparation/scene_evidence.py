"""Pseudo-labels of many images as votes on the cells of one ground plane: explicit BEV targets without BEV labels.

The centre of each cell is projected into each image and gets the label of its pixel, so there are no gaps, and hidden
ground gets no vote. Lines are read at points around the centre. Votes of all frames and cameras of a scene add up.

Source of the idea: Lilja et al., CVPR workshops 2025 (teacher labels fused over time in BEV).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from ssl_bev.geometry import BEVGrid, cell_points, sample_bev
from ssl_bev.geometry.projection import MIN_DEPTH
from ssl_bev.models.objectives.cell_labels import ReadingRule, lies_inside
from ssl_bev.targets import IGNORE, POSITIVE, known

Targets = Callable[[np.ndarray, np.ndarray], np.ndarray]
MIN_SPREAD = 0.2  # metres: paint slips between a single point in a cell and those around it


class View(NamedTuple):
    """The labels of one image and the projection of the ground plane into it.

    Convention: `plane2img` maps (x, y, 1) of the plane, metres, to homogeneous pixels (the centre of the first one is
    (0.5, 0.5)); its third row is the depth in metres. If the ground is no plane, `rise` gives its height above the
    plane at (P, 2) positions, metres (P,), and `up2img` the change of the homogeneous pixel per metre.
    """

    ids: np.ndarray  # (h, w) uint8
    confidence: np.ndarray  # (h, w) uint8, 255 = certain
    plane2img: np.ndarray  # (3, 3) float64
    camera_xy: np.ndarray  # (2,) where the camera stands over the plane, metres
    rise: Callable[[np.ndarray], np.ndarray] | None = None
    up2img: np.ndarray | None = None  # (3,)

    def project(
        self,
        xy: np.ndarray,  # (P, 2) metres in the plane
    ) -> tuple[np.ndarray, np.ndarray]:  # (P,), (P,)
        """The depth of places on the ground and the index of their pixels, row by row; h w if the image shows none."""
        projected = self.plane2img[:, :2] @ xy.T + self.plane2img[:, 2:]
        if self.rise is not None:
            projected += self.up2img[:, None] * self.rise(xy)
        u, v, depth = projected
        in_front = depth > MIN_DEPTH
        safe = np.where(in_front, depth, 1.0)
        u, v = np.floor(u / safe), np.floor(v / safe)
        height, width = self.ids.shape
        inside = in_front & (u >= 0) & (u < width) & (v >= 0) & (v < height)
        return depth, np.where(inside, v * width + u, self.ids.size).astype(np.intp)

    def planes(
        self,
        targets: Targets,
    ) -> np.ndarray:  # (K', h w + 1) uint8, 0, POSITIVE or IGNORE
        """The labels of all pixels, row by row, and last IGNORE, for what the image does not show."""
        values = targets(self.ids.ravel(), self.confidence.ravel()).T
        values = np.where(known(values), POSITIVE * values, IGNORE).astype(np.uint8)
        return np.pad(values, ((0, 0), (0, 1)), constant_values=IGNORE)


class SceneEvidence:
    """Votes for and against each class on a ground plane.

    Args:
        grid: cells of the plane.
        rules: how each of the K classes is read from an image: at the centre of a cell, or in points around it.
        max_distance: metres from the camera beyond which an image has no vote.
        max_pixels: a vote is weighted by the confidence and by the pixels that its cell covers, at most this many. Far
            away, one pixel covers many cells, and each of them gets less weight.
    """

    def __init__(
        self, grid: BEVGrid, rules: Sequence[ReadingRule], max_distance: float = 30.0, max_pixels: float = 1.0
    ) -> None:
        for name, value in (('max_distance', max_distance), ('max_pixels', max_pixels)):
            if not value > 0:
                raise ValueError(f'{name} must be positive, got {value}')
        self.grid = grid
        self.rules = tuple(rules)
        self.max_distance = max_distance
        self.max_pixels = max_pixels
        self.votes = np.zeros((2, len(self.rules), *grid.shape), np.float32)  # against, for
        reach = (tuple(rule.radius for rule in self.rules), tuple(rule.margin for rule in self.rules))
        offsets, _, self._asked, self._around = cell_points(
            max(grid.cell_size, MIN_SPREAD), *reach, torch.device('cpu')
        )
        has_lines = any(rule.radius is not None for rule in self.rules)
        self._offsets = offsets.double().numpy() if has_lines else ()

    def add(self, view: View, targets: Targets) -> None:
        """Let one image vote.

        Args:
            view: its labels and geometry.
            targets: from ids and confidences (P,) to values (P, K') of 1, 0 or 255 = no vote; `TargetReader.targets`.
        """
        rows, columns = self._window(view.camera_xy - self.max_distance, view.camera_xy + self.max_distance)
        x, y = np.broadcast_arrays(*self._centers(rows[:, None], columns[None]))
        near = (x - view.camera_xy[0]) ** 2 + (y - view.camera_xy[1]) ** 2 <= self.max_distance**2
        i, j = np.nonzero(near)
        centers = np.stack([x[i, j], y[i, j]], -1)
        depth, pixel = view.project(centers)
        seen = pixel < view.ids.size
        i, j, depth, pixel, centers = i[seen], j[seen], depth[seen], pixel[seen], centers[seen]
        # d(u, v)/d(x, y) of a homography M has the determinant det(M) / depth^3.
        covered = abs(np.linalg.det(view.plane2img)) / depth**3 * self.grid.cell_size**2
        weight = np.minimum(covered, self.max_pixels) * view.confidence.ravel()[pixel] / 255
        planes = view.planes(targets)
        around = np.empty((len(self._offsets), len(centers)), np.intp)
        for n, offset in enumerate(self._offsets):
            around[n] = view.project(centers + offset)[1]
        for k, (rule, asked, circle) in enumerate(zip(self.rules, self._asked, self._around, strict=True)):
            points = pixel[None] if rule.radius is None else around[asked]
            share, certain = rule.read(torch.from_numpy(planes[rule.plane].take(points)))
            if rule.inside is not None:
                share = share * lies_inside(torch.from_numpy(planes[rule.inside].take(around[circle])))
            share, certain = share.numpy(), certain.numpy()
            # Every cell occurs once, so this adds nothing twice.
            self.votes[0, k, rows[i], columns[j]] += (1 - share) * certain * weight
            self.votes[1, k, rows[i], columns[j]] += share * certain * weight

    def crop(
        self,
        xy: np.ndarray,  # (H, W, 2) metres in the plane
    ) -> tuple[np.ndarray, np.ndarray]:  # (K, H, W) float32, (K, H, W) float32
        """The evidence at given points, such as the cell centres of one frame's BEV grid.

        Returns:
            The fraction of votes for each class (0 if there are none), and the total weight of all votes: 1 is one
            certain pixel, 0 is not observed.
        """
        positions = torch.from_numpy(np.ascontiguousarray(xy, np.float32))[None]
        votes = torch.from_numpy(self.votes).flatten(0, 1)[None]
        against, favour = sample_bev(votes, self.grid, positions)[0].numpy().reshape(2, -1, *xy.shape[:2])
        weight = against + favour
        return np.divide(favour, weight, out=np.zeros_like(weight), where=weight > 0), weight

    def _centers(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x of the centres of columns and y of the centres of rows, metres."""
        (left, _), (low, _) = self.grid.x_range, self.grid.y_range
        return left + (columns + 0.5) * self.grid.cell_size, low + (rows + 0.5) * self.grid.cell_size

    def _window(self, low_xy: np.ndarray, high_xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows and columns of the cells in a rectangle, metres."""
        origin = np.array([self.grid.y_range[0], self.grid.x_range[0]])
        low, high = ((xy[::-1] - origin) / self.grid.cell_size for xy in (low_xy, high_xy))
        first = np.maximum(np.floor(low), 0).astype(int)
        stop = np.minimum(np.ceil(high) + 1, self.grid.shape).astype(int)
        return np.arange(first[0], stop[0]), np.arange(first[1], stop[1])
