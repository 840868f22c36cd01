"""Lift, Splat, Shoot as a BEV encoder: every pixel distributes its features over possible depths."""

from __future__ import annotations

from typing import Any

from mmdet3d.registry import MODELS
from torch import Tensor, nn

from ssl_bev.geometry import BEVGrid
from ssl_bev.models.bev_encoder import BEVEncoder, FrameInputs
from ssl_bev.models.bev_layers import bev_layers
from ssl_bev.models.encoder_inputs import camera_features
from ssl_bev.structures import CameraRig

from .frustum import bin_depths, feature_pixels, frustum_cells
from .splat import splat


@MODELS.register_module()
class LiftSplat(BEVEncoder):
    """Features times a distribution over depth, summed in BEV cells (Lift, Splat, Shoot, arXiv 2008.05711).

    Convention: the rows of the BEV grow with y and its columns with x.

    Args:
        x_range: lowest and highest x, metres.
        y_range: lowest and highest y, metres.
        bev_shape: rows (along y) and columns (along x); the cells must come out square.
        in_channels: channels of the image features.
        embed_dims: channels of the BEV, and of the context of a pixel.
        depth_range: (near, far, step) of the depth bins, metres along the optical axis; a pixel's points are in the
            middle of the bins.
        z_range: lowest and highest height above the road plane, metres; points outside are ignored.
        level: index of the feature level; negative ones count from the last.
        num_blocks: residual blocks after the first convolution over the BEV.
        norm_cfg: normalisation of the BEV's convolutions; group normalisation if None.
        init_cfg: as in mmengine.

    Raises:
        ValueError: cells that are not square, depths that are not whole steps, or an empty `z_range`.

    Example:
        >>> bev_encoder = dict(type='LiftSplat', x_range=(-30, 30), y_range=(-15, 15), bev_shape=(30, 60),
        ...                    in_channels=128, embed_dims=64)
    """

    def __init__(
        self,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        bev_shape: tuple[int, int],
        in_channels: int,
        embed_dims: int = 64,
        depth_range: tuple[float, float, float] = (4.0, 45.0, 1.0),
        z_range: tuple[float, float] = (-10.0, 10.0),
        level: int = 0,
        num_blocks: int = 1,
        norm_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not z_range[0] < z_range[1]:
            raise ValueError(f'z_range must be (lowest, highest) with lowest < highest, got {tuple(z_range)}')
        self.grid = BEVGrid.from_shape(x_range, y_range, bev_shape)
        self.in_channels = in_channels
        self.embed_dims = embed_dims
        self.depth_range = tuple(depth_range)
        self.z_range = tuple(z_range)
        self.level = level
        self.num_bins = len(bin_depths(self.depth_range))
        self.depth_and_context = nn.Conv2d(in_channels, self.num_bins + embed_dims, 1)
        self.bev_layers = bev_layers(embed_dims, embed_dims, num_blocks, norm_cfg)

    def forward(self, inputs: FrameInputs, rig: CameraRig, state: Any = None) -> tuple[Tensor, None]:
        """Encode one frame: BEV features (B, C, H, W), and no state.

        Raises:
            ValueError: features that contradict the configuration or the rig.
        """
        features = camera_features(inputs, rig, self.level, self.in_channels)
        batch, num_cameras = features.shape[:2]
        maps = self.depth_and_context(features.flatten(0, 1)).flatten(2).unflatten(0, (batch, num_cameras))
        logits, context = maps.split([self.num_bins, self.embed_dims], 2)  # (B, N, D or C, P)
        depth = logits.softmax(2).permute(2, 0, 1, 3)

        pixels = feature_pixels(features.shape[-2:], inputs.image_size, features.device)
        depths = bin_depths(self.depth_range, features.device)
        cells = frustum_cells(self.grid, self.z_range, rig, pixels, depths)
        height, width = self.grid.shape
        bev = splat(context.mT.flatten(1, 2), depth.flatten(2), cells.flatten(2), height * width)
        return self.bev_layers(bev.mT.unflatten(2, (height, width)).contiguous()), None
