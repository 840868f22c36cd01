"""Simple-BEV as a BEV encoder: each voxel reads the features at its projections. The lifting has no parameters."""

from __future__ import annotations

from typing import Any

import torch
from mmdet3d.registry import MODELS
from torch import Tensor

from ssl_bev.geometry import BEVGrid, points_over_road
from ssl_bev.models.bev_encoder import BEVEncoder, FrameInputs
from ssl_bev.models.bev_layers import bev_layers
from ssl_bev.models.encoder_inputs import camera_features
from ssl_bev.structures import CameraRig

from .camera_sampling import camera_positions, sample_cameras


@MODELS.register_module()
class SimpleBEV(BEVEncoder):
    """Bilinear samples at projected voxels, heights compressed by a convolution (Simple-BEV, arXiv 2206.07959).

    With `z_range=(-0.5, 0.5)` and `num_heights=1`, all voxels on the road, it is inverse perspective mapping.

    Convention: the rows of the BEV grow with y and its columns with x.

    Args:
        x_range: lowest and highest x, metres.
        y_range: lowest and highest y, metres.
        bev_shape: rows (along y) and columns (along x); the cells must come out square.
        in_channels: channels of the image features.
        embed_dims: channels of the BEV.
        z_range: lowest and highest height above the road plane, metres.
        num_heights: number of voxels in `z_range`; points are their centres.
        level: index of the feature level; negative ones count from the last.
        num_blocks: residual blocks after the convolution that compresses the heights.
        norm_cfg: normalisation of the BEV's convolutions; group normalisation if None.
        init_cfg: as in mmengine.

    Raises:
        ValueError: cells that are not square, or no voxel.

    Example:
        >>> bev_encoder = dict(type='SimpleBEV', x_range=(-30, 30), y_range=(-15, 15), bev_shape=(30, 60),
        ...                    in_channels=128, embed_dims=64)
    """

    def __init__(
        self,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        bev_shape: tuple[int, int],
        in_channels: int,
        embed_dims: int = 64,
        z_range: tuple[float, float] = (-1.0, 3.0),
        num_heights: int = 4,
        level: int = 0,
        num_blocks: int = 1,
        norm_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not z_range[0] < z_range[1]:
            raise ValueError(f'z_range must be (lowest, highest) with lowest < highest, got {tuple(z_range)}')
        if num_heights < 1:
            raise ValueError(f'num_heights must be at least 1, got {num_heights}')
        self.grid = BEVGrid.from_shape(x_range, y_range, bev_shape)
        self.in_channels = in_channels
        self.embed_dims = embed_dims
        self.z_range = tuple(z_range)
        self.num_heights = num_heights
        self.level = level
        self.bev_layers = bev_layers(in_channels * num_heights, embed_dims, num_blocks, norm_cfg)

    def forward(self, inputs: FrameInputs, rig: CameraRig, state: Any = None) -> tuple[Tensor, None]:
        """Encode one frame: BEV features (B, C, H, W), and no state.

        Raises:
            ValueError: features that contradict the configuration or the rig.
        """
        features = camera_features(inputs, rig, self.level, self.in_channels)
        return self.bev_layers(self.voxels(features, inputs.image_size, rig).flatten(1, 2)), None

    def voxels(
        self,
        features: Tensor,  # (B, N, C, h, w)
        image_size: tuple[int, int],
        rig: CameraRig,
    ) -> Tensor:  # (B, C, D, H, W)
        """Camera features at the centre of each voxel, from the lowest height to the highest; zero if not visible."""
        step = (self.z_range[1] - self.z_range[0]) / self.num_heights
        heights = self.z_range[0] + (torch.arange(self.num_heights, device=features.device) + 0.5) * step
        points = points_over_road(self.grid, heights, rig.road).transpose(1, 2)
        positions = camera_positions(points.flatten(1, 2), rig, image_size, features.shape[-2:])
        return sample_cameras(features, *positions).unflatten(2, (self.num_heights, *self.grid.shape))
