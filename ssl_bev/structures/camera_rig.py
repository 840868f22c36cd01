"""The geometry of a batch: its cameras and its road."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ssl_bev.geometry import BEVGrid, Road, invert_rigid, lift_to_road, project_points
from ssl_bev.geometry.precision import full_precision

from .bev_data_sample import BEVDataSample


@dataclass(frozen=True)
class CameraRig:
    """Calibration and poses of a batch of windows, or of one of its frames (then without T).

    Args:
        bev2img: (B, T, N, 4, 4) projections into the augmented images.
        bev2global: (B, T, 4, 4) poses, float64: global coordinates are kilometres, cells centimetres.
        road2bev: (B, T, 4, 4) poses of the road frame.
        frame_valid: (B, T) bool.
        camera_valid: (B, T, N) bool, False where a camera is missing; without this field, no camera is missing.
        image_size: height and width of the augmented images, padding excluded.
        known_road: (B, T), the ground, if it is known for any frame; `road2bev` are the same poses.
    """

    bev2img: Tensor
    bev2global: Tensor
    road2bev: Tensor
    frame_valid: Tensor
    camera_valid: Tensor
    image_size: tuple[int, int]
    known_road: Road | None = None

    @classmethod
    def from_data_samples(cls, data_samples: Sequence[BEVDataSample]) -> CameraRig:
        """Stack the windows of a batch.

        Raises:
            ValueError: the images of the samples differ in size, or the samples in their number of frames or cameras.
        """
        # A detector's img_shape may be a list of one for each view.
        sizes = {tuple((sample.get('image_size') or sample.img_shape)[:2]) for sample in data_samples}
        if len(sizes) != 1:
            raise ValueError(f'the images of a batch must have one size (height, width), got {sorted(sizes)}')
        shapes = [tuple(sample.bev2img.shape[:-2]) for sample in data_samples]
        if len(set(shapes)) > 1:
            tokens = [sample.get('sample_token', 'unnamed') for sample in data_samples]
            got = ', '.join(f'{token}: {shape}' for token, shape in zip(tokens, shapes, strict=True))
            raise ValueError(f'samples of a batch must have equally many frames and cameras, got {got}')
        names = ('bev2img', 'bev2global', 'road2bev', 'frame_valid')
        stacked = {name: torch.stack([getattr(sample, name) for sample in data_samples]) for name in names}
        every = torch.ones_like(stacked['bev2img'][0, :, :, 0, 0], dtype=torch.bool)
        valid = torch.stack([sample.get('camera_valid', every) for sample in data_samples])
        road = _known_road(data_samples, stacked['road2bev'])
        return cls(image_size=sizes.pop(), camera_valid=valid, known_road=road, **stacked)

    @property
    def num_frames(self) -> int:
        return self.frame_valid.shape[1]

    def frame(self, index: int | slice) -> CameraRig:
        """The rig at one frame of the window, without the dimension T; or at several, with it."""
        there = {name: value for name, value in vars(self).items() if name != 'image_size' and value is not None}
        return CameraRig(image_size=self.image_size, **{name: value[:, index] for name, value in there.items()})

    @property
    def road(self) -> Road:
        """The ground; by default the plane of `road2bev`."""
        return self.known_road or Road(self.road2bev)

    def target2source(self, target: int, source: int) -> Tensor:  # (B, 4, 4) float32
        """The pose of frame `target` in the BEV frame of frame `source`."""
        # The general inverse: an augmented (flipped) BEV frame is still rigid.
        return (invert_rigid(self.bev2global[:, source]) @ self.bev2global[:, target]).float()

    def bev2img_of(self, frame: int, bev_frame: int) -> Tensor:  # (B, N, 4, 4)
        """The projections into the cameras of one frame from the BEV frame of another."""
        return _compose(self.bev2img[:, frame], self.target2source(bev_frame, frame)[:, None])

    def road_of(self, frame: int, bev_frame: int) -> Road:
        """The known ground of one frame in the BEV frame of another.

        Published poses may lack the climb of the vehicle between the two, so an image must be combined with the road of
        its own time.
        """
        road, motion = self.road[:, frame], self.target2source(frame, bev_frame)
        return Road(_compose(motion, road.road2bev), road.heights, road.grid)

    def observed(self, grid: BEVGrid) -> Tensor:  # (B, H, W) bool
        """True where some camera of this single frame sees the centre of the road cell. Occlusion is not known."""
        centers = grid.cell_centers(self.bev2img.device).flatten(0, 1)
        points = lift_to_road(centers, self.road)[:, None]
        visible = project_points(points, self.bev2img, self.image_size)[2]
        return (visible & self.camera_valid[..., None]).any(1).unflatten(1, grid.shape)


@full_precision
def _compose(second: Tensor, first: Tensor) -> Tensor:  # (..., 4, 4) each
    return second @ first


def _known_road(data_samples: Sequence[BEVDataSample], road2bev: Tensor) -> Road | None:
    """The roads of the samples; if one has heights, those without get heights of 0."""
    heights = [sample.get('road_heights') for sample in data_samples]
    if all(each is None for each in heights):
        return None
    grids = {sample.get('road_grid') for sample, each in zip(data_samples, heights, strict=True) if each is not None}
    grids -= {None}
    if len(grids) > 1:
        raise ValueError(f'the roads of a batch must have one grid, got {sorted(map(str, grids))}')
    if not grids:
        return Road(road2bev)
    grid = grids.pop()
    flat = road2bev.new_zeros(road2bev.shape[1], *grid.shape)
    heights = [flat if each is None or not each.numel() else each for each in heights]
    return Road(road2bev, torch.stack(heights), grid)
