"""A lidar BEV encoder from the pillar modules of mmdetection3d."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.ops import Voxelization
from mmdet3d.registry import MODELS
from torch import Tensor

from ssl_bev.geometry import BEVGrid
from ssl_bev.geometry.precision import full_precision
from ssl_bev.structures import CameraRig

from .bev_encoder import BEVEncoder, FrameInputs


@MODELS.register_module()
class PillarEncoder(BEVEncoder):
    """PointPillars up to its BEV features (arXiv 1812.05784), from the modules and configs of a detector.

    Each cloud is divided into pillars separately, as by the data preprocessor of a detector. Settings that several
    modules share are given once, in `voxel_layer`: the voxel encoder gets `voxel_size` and `point_cloud_range` from it,
    the middle encoder the number of rows and columns.

    Convention: the rows of the BEV grow with y and its columns with x, over the x and y of `point_cloud_range`.

    Args:
        voxel_layer: arguments of `mmcv.ops.Voxelization`: max_num_points, point_cloud_range, voxel_size, max_voxels;
            square pillars as high as the range.
        voxel_encoder: points of pillars -> their features, as `PillarFeatureNet`; its `in_channels` are those of the
            points.
        middle_encoder: features of pillars -> their map, as `PointPillarsScatter`.
        backbone: map -> levels, as `SECOND`.
        neck: levels -> a list whose first map is the BEV features, as `SECONDFPN`. None: the last level.
        init_cfg: as in mmengine.

    Raises:
        ValueError: pillars that are not square, not whole, not of the whole height or without points, or a module that
            contradicts `voxel_layer`.

    Example:
        >>> bev_encoder = dict(
        ...     type='PillarEncoder',
        ...     voxel_layer=dict(max_num_points=20, max_voxels=30000, voxel_size=(0.25, 0.25, 8),
        ...                      point_cloud_range=(-30, -15, -5, 30, 15, 3)),
        ...     voxel_encoder=dict(type='PillarFeatureNet', in_channels=4, feat_channels=(64,), legacy=False),
        ...     middle_encoder=dict(type='PointPillarsScatter', in_channels=64),
        ...     backbone=dict(type='SECOND', in_channels=64, out_channels=[64, 128], layer_nums=[3, 5],
        ...                   layer_strides=[2, 2]),
        ...     neck=dict(type='SECONDFPN', in_channels=[64, 128], out_channels=[64, 64], upsample_strides=[1, 2]))
    """

    def __init__(
        self,
        voxel_layer: Mapping,
        voxel_encoder: Mapping,
        middle_encoder: Mapping,
        backbone: Mapping,
        neck: Mapping | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.grid = _pillar_grid(voxel_layer)
        self.in_channels = voxel_encoder.get('in_channels', 4)
        shared = {name: voxel_layer[name] for name in ('voxel_size', 'point_cloud_range')}
        self.voxel_layer = Voxelization(**voxel_layer)
        self.voxel_encoder = MODELS.build(_agreeing(voxel_encoder, shared))
        self.middle_encoder = MODELS.build(_agreeing(middle_encoder, dict(output_shape=self.grid.shape)))
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck) if neck else None

    def forward(self, inputs: FrameInputs, rig: CameraRig, state: Any = None) -> tuple[Tensor, None]:
        """Encode one frame: BEV features (B, C, H, W), and no state. Clouds may be empty.

        Raises:
            ValueError: the number of clouds is not that of the samples, or points have another number of columns.
        """
        if len(inputs.points) != len(rig.bev2img):
            raise ValueError(
                f'PillarEncoder needs the points of {len(rig.bev2img)} samples, got {len(inputs.points)} clouds; put '
                'LoadBEVPoints into the pipeline'
            )
        for cloud in inputs.points:
            if cloud.dim() != 2 or cloud.shape[1] != self.in_channels:
                raise ValueError(
                    f'points must have the shape (P, {self.in_channels}), of in_channels of the voxel encoder, got '
                    f'{tuple(cloud.shape)}; see use_dim of LoadBEVPoints'
                )
        levels = self.backbone(self.pillars(*inputs.points))
        return levels[-1] if self.neck is None else self.neck(levels)[0], None

    @full_precision
    def pillars(
        self,
        *clouds: Tensor,  # (P, F)
    ) -> Tensor:  # (B, C, H, W)
        """The features of the pillar of each cell; zero if it has no point."""
        voxels, coordinates, counts = [], [], []
        for sample, cloud in enumerate(clouds):
            points, cell, count = self.voxel_layer(cloud.float().contiguous())
            voxels.append(points)
            coordinates.append(F.pad(cell, (1, 0), value=sample))  # (sample, z, y, x)
            counts.append(count)
        if not sum(len(count) for count in counts):
            # Normalisation needs at least one pillar: this one belongs to no sample and is not scattered.
            shape = (1, self.voxel_layer.max_num_points, self.in_channels)
            voxels.append(clouds[0].new_zeros(shape, dtype=torch.float32))
            coordinates.append(coordinates[0].new_full((1, 4), -1))
            counts.append(counts[0].new_ones(1))
        where = torch.cat(coordinates)
        return self.middle_encoder(self.voxel_encoder(torch.cat(voxels), torch.cat(counts), where), where, len(clouds))


def _pillar_grid(voxel_layer: Mapping) -> BEVGrid:
    x_size, y_size, height = voxel_layer['voxel_size']
    x_min, y_min, z_min, x_max, y_max, z_max = voxel_layer['point_cloud_range']
    if x_size != y_size:
        raise ValueError(f'voxel_size (x, y, z) must be square in x and y, got {tuple(voxel_layer["voxel_size"])}')
    if abs(height - (z_max - z_min)) > 1e-6 * height:
        raise ValueError(
            f'the z of voxel_size must be the height of point_cloud_range, {z_max - z_min}, for pillars, got {height}'
        )
    if voxel_layer['max_num_points'] < 1:
        raise ValueError(f'max_num_points of voxel_layer must be at least 1, got {voxel_layer["max_num_points"]}')
    return BEVGrid((x_min, x_max), (y_min, y_max), x_size)


def _agreeing(config: Mapping, values: Mapping[str, Sequence[float]]) -> dict:
    for name, value in values.items():
        if tuple(config.get(name, value)) != tuple(value):
            raise ValueError(
                f'{name} of {config["type"]} must be that of voxel_layer, {tuple(value)}, got {tuple(config[name])}'
            )
    return {**config, **values}
