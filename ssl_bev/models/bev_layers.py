"""Convolutions over a BEV map."""

from __future__ import annotations

from mmcv.cnn import ConvModule
from mmdet.models.backbones.resnet import BasicBlock
from torch import nn


def bev_layers(in_channels: int, out_channels: int, num_blocks: int, norm_cfg: dict | None = None) -> nn.Sequential:
    """A 3x3 convolution to `out_channels`, then residual blocks, at the resolution of the map.

    Args:
        in_channels: of the map.
        out_channels: of the result.
        num_blocks: residual blocks of two 3x3 convolutions each.
        norm_cfg: normalisation as in mmcv. None: group norm with eight channels per group, whose statistics are not
            shared between samples, so small batches and different cameras per sample do no harm.
    """
    if norm_cfg is None:
        if out_channels % 8:
            raise ValueError(f'embed_dims must be a multiple of 8 unless norm_cfg is given, got {out_channels}')
        norm_cfg = dict(type='GN', num_groups=out_channels // 8)
    return nn.Sequential(
        ConvModule(in_channels, out_channels, 3, padding=1, norm_cfg=norm_cfg),
        *[BasicBlock(out_channels, out_channels, norm_cfg=norm_cfg) for _ in range(num_blocks)],
    )
