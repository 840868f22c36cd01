"""The road of a scene on which the labels of its frames agree: no lidar is needed.

A frame sees a crossing from far away, a later one from close by. On a ground that is assumed too high, both projections
are too close, the distant view more so, and they do not match. The disagreement of a class is the fraction of its
variance over the ground that lies within cells, between frames. This fraction does not depend on the size of the
projected area, so shrinking the ground gives no advantage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bev.datasets.calibration import frame_cameras
from ssl_bev.geometry.projection import MIN_DEPTH
from ssl_bev.pseudo_labels.target_reader import TargetReader
from ssl_bev.targets import POSITIVE, known

from .accumulate_scene import read_view, scene_raster
from .road_model import RoadModel

_REACH = 35.0  # metres from the vehicle
_BESIDE = 12.0  # metres from the way
_CELL_BYTES = 100  # of memory, about
_WIDTH = 640  # pixels of the label maps
_HEIGHTS = (-1.0, 0.0, 0.7)  # metres over the plane of the wheels, the search range of the ground
# From coarse to fine: blur and cell size, metres.
STAGES = ((3.0, 1.0), (2.0, 1.0), (1.0, 0.5), (0.5, 0.5))
_ITERATIONS = 20
_SHARP = 80.0  # pixels per square metre, from which a view has its full weight
_INDEPENDENT = 50.0  # square metres of ground that count as one observation


class LabelImage(NamedTuple):
    """The labels of one image: fraction of each class, and where it is known, both (K, h, w); and ego2img."""

    maps: Tensor  # (2 K, h, w)
    ego2img: Tensor  # (4, 4)


class _Camera(NamedTuple):
    maps: Tensor  # (2 K, h, w)
    cells: Tensor  # (V,) of the frame's window
    ground: Tensor  # (V, 3) homogeneous positions in [-1, 1] of the plane z = 0
    up: Tensor  # (3,) what a metre adds to them
    weight: Tensor  # (V,)


class _Frame(NamedTuple):
    window: tuple[slice, slice]
    xy: Tensor  # (h w, 2), metres in the ego frame
    cameras: list[_Camera]


def read_labels(frames: Sequence[Mapping], labels: TargetReader) -> list[list[LabelImage]]:
    """The label maps of all cameras of the frames, of the K classes that the teacher knows."""
    return [[_read(frame, name, labels) for name in frame['images']] for frame in frames]


def _read(frame: Mapping, name: str, labels: TargetReader) -> LabelImage:
    ids, confidence = read_view(frame, name, labels)
    k = max(1, round(ids.shape[1] / _WIDTH))
    height, width = (size // k * k for size in ids.shape)
    shares = torch.from_numpy(labels.soft_targets(ids[:height, :width], confidence[:height, :width], k))
    shares = shares[[labels.classes.index(name) for name in labels.available]]
    is_known = known(shares)
    share = torch.where(is_known, shares, 0).float() / POSITIVE
    cam2img, ego2cam = frame_cameras(frame, [name], 'ego')
    ego2img = torch.from_numpy(np.diag([1 / k, 1 / k, 1, 1]) @ cam2img[0] @ ego2cam[0]).float()
    return LabelImage(torch.cat([share, is_known.float()]), ego2img)


class LabelAgreement:
    """The agreement of labels on the ground, differentiable in the vector of a road model.

    Args:
        model: of the scene.
        images: label maps of its frames.
        cell_size: of the ground, metres.
    """

    def __init__(self, model: RoadModel, images: Sequence[Sequence[LabelImage]], cell_size: float) -> None:
        self._cell_size = cell_size
        grid, origin = scene_raster(model.poses[:, :2, 3], _REACH, cell_size, _CELL_BYTES)
        self._shape = grid.shape
        centers = grid.cell_centers(dtype=torch.float64).flatten(0, 1).numpy()
        near = np.abs(model.path.coordinates(centers + origin)[1]) < _BESIDE
        self._near = torch.from_numpy(near)
        self._surface = torch.from_numpy(model.surface_rows(centers[near] + origin)).float()
        self._frames = [
            self._frame(pose, centers.reshape(*grid.shape, 2) + origin, views)
            for pose, views in zip(model.poses, images, strict=True)
        ]

    def __call__(
        self,
        vector: Tensor,  # (n,)
        blur: float,
    ) -> tuple[Tensor, float]:  # (K,), square metres
        """The fraction of the variance of each class between frames, 0 ... 1; and the ground that two frames see.

        Args:
            vector: of the road model.
            blur: standard deviation of a Gaussian over the ground, metres.
        """
        size = self._surface.shape[1]
        surface = vector.new_zeros(self._near.shape)
        surface = surface.masked_scatter(self._near, self._surface @ vector[:size]).view(self._shape)
        sums, views = 0.0, torch.zeros(self._shape)
        for frame, plane in zip(self._frames, vector[size:].view(-1, 3), strict=True):
            value, weight = self._seen(frame, surface, plane, blur)
            rows, columns = frame.window
            margins = (columns.start, self._shape[1] - columns.stop, rows.start, self._shape[0] - rows.stop)
            sums = sums + F.pad(torch.stack([weight, weight * value, weight * value**2]), margins)
            views[frame.window] += (weight.detach() > 0.2).any(0)
        several = views >= 2
        weight, first, second = sums * several
        within = (second - first**2 / weight.clamp(min=1e-6)).sum((1, 2))
        total = second.sum((1, 2)) - first.sum((1, 2)) ** 2 / weight.sum((1, 2)).clamp(min=1e-6)
        # A class that is nowhere, or everywhere, has no variance.
        share = torch.where(total > 1e-3, (within + 1e-3 * total) / total.clamp(min=1e-3), 1.0)
        return share, float(several.sum()) * self._cell_size**2

    def _seen(self, frame: _Frame, surface: Tensor, plane: Tensor, blur: float) -> tuple[Tensor, Tensor]:
        """The labels of one frame on the ground in its window, (K, h, w), and their weight."""
        shape = tuple(part.stop - part.start for part in frame.window)
        ground = surface[frame.window].flatten() - plane[0] - frame.xy @ plane[1:]
        seen = None
        for camera in frame.cameras:
            projected = camera.ground + ground[camera.cells, None] * camera.up
            positions = projected[:, :2] / projected[:, 2:].clamp(min=MIN_DEPTH)
            read = F.grid_sample(camera.maps[None], positions[None, None], align_corners=False)[0, :, 0]
            seen = read.new_zeros(len(read), len(ground)) if seen is None else seen
            seen = seen.index_add(1, camera.cells, read * camera.weight)
        cells = blur / self._cell_size
        seen = _smoothing(shape[0], cells) @ seen.view(-1, *shape) @ _smoothing(shape[1], cells)
        share, certain = seen.chunk(2)
        return share / certain.clamp(min=1e-6), certain / (certain + 0.2)

    def _frame(self, pose: np.ndarray, centers: np.ndarray, views: Sequence[LabelImage]) -> _Frame:
        inside = np.abs(centers - pose[:2, 3]) < _REACH
        rows, columns = (np.flatnonzero(inside[..., k].any(1 - axis)) for axis, k in ((0, 1), (1, 0)))
        window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        xy = (centers[window].reshape(-1, 2) - pose[:2, 3]) @ np.linalg.inv(pose[:2, :2]).T
        xy = torch.from_numpy(xy).float()
        near = self._near.view(self._shape)[window].flatten() & (xy.norm(dim=1) < _REACH)
        return _Frame(window, xy, [self._camera(xy, near, view) for view in views])

    def _camera(self, xy: Tensor, near: Tensor, view: LabelImage) -> _Camera:
        """The cells that a camera may see, for any height of the ground."""
        height, width = view.maps.shape[1:]
        normalized = torch.tensor([[2 / width, 0, -1], [0, 2 / height, -1], [0, 0, 1]]) @ view.ego2img[:3]
        ground, up = xy @ normalized[:, :2].T + normalized[:, 3], normalized[:, 2]
        visible = torch.zeros_like(near)
        for z in _HEIGHTS:
            u, v, depth = (ground + z * up).unbind(1)
            visible |= (depth > 1) & (u.abs() < depth) & (v.abs() < depth)
        cells = (visible & near).nonzero()[:, 0]
        ground = ground[cells]
        # d(u, v)/d(x, y) of a homography M has the determinant det(M) / depth^3.
        pixels = torch.linalg.det(view.ego2img[:3][:, [0, 1, 3]].double()).abs().float()
        weight = (pixels / ground[:, 2].clamp(min=1) ** 3 / _SHARP).clamp(max=1)
        return _Camera(view.maps, cells, ground, up, weight)


@lru_cache(maxsize=32)
def _smoothing(size: int, deviation: float) -> Tensor:  # (size, size)
    """The matrix that blurs a row or a column with a Gaussian, in cells."""
    distance = torch.arange(size)[:, None] - torch.arange(size)
    kernel = torch.exp(-0.5 * (distance / deviation) ** 2)
    return kernel / kernel.sum(1).max()


def fit_labels(
    model: RoadModel,
    images: Sequence[Sequence[LabelImage]],
) -> tuple[np.ndarray, dict[str, float]]:  # (n,)
    """The most probable road, from the agreement of labels and the prior, from coarse to fine.

    Returns:
        The vector of the model, and a report: the fraction of the variance between frames before
        (`disagreement_poses`) and after, mean of the classes.
    """
    factor, mean = (torch.from_numpy(part).float() for part in (model.factor, model.mean))
    deviation = torch.zeros(model.size, requires_grad=True)  # in standard deviations of the prior
    agreements = {cell_size: LabelAgreement(model, images, cell_size) for _, cell_size in STAGES}

    area = agreements[STAGES[-1][1]](mean, STAGES[-1][0])[1]

    def cost(deviation: Tensor, blur: float, cell_size: float) -> Tensor:
        shares, _ = agreements[cell_size](mean + factor @ deviation, blur)
        return 0.5 * area / _INDEPENDENT * shares.log().sum() + 0.5 * deviation.square().sum()

    for stage in STAGES:
        optimizer = torch.optim.LBFGS(
            [deviation], max_iter=_ITERATIONS, history_size=15, tolerance_change=1e-4, line_search_fn='strong_wolfe'
        )

        def closure(stage: tuple[float, float] = stage, optimizer: torch.optim.Optimizer = optimizer) -> Tensor:
            optimizer.zero_grad()
            value = cost(deviation, *stage)
            value.backward()
            return value

        optimizer.step(closure)
    with torch.no_grad():
        start = torch.zeros_like(deviation)
        found = min((start, deviation), key=lambda each: float(cost(each, *STAGES[-1])))
        blur, cell_size = STAGES[-1]
        shares = [agreements[cell_size](mean + factor @ each, blur)[0].mean() for each in (start, found)]
        vector = (mean + factor @ found).double().numpy()
    return vector, {
        f'disagreement_{name}': float(share) for name, share in zip(('poses', 'labels'), shares, strict=True)
    }
