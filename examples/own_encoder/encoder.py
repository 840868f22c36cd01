"""A BEV encoder of your own: each cell reads the camera features at its point on the road."""

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet3d.registry import MODELS

from ssl_bev.geometry import BEVGrid, points_over_road, project_points
from ssl_bev.models import BEVEncoder


@MODELS.register_module()
class RoadSampler(BEVEncoder):
    def __init__(self, grid, in_channels, out_channels):
        super().__init__()
        self.grid = BEVGrid(**grid)
        self.layer = ConvModule(in_channels, out_channels, 3, padding=1, norm_cfg=dict(type='GN', num_groups=8))

    def forward(self, inputs, rig, state=None):
        features = inputs.image_features[0].float()  # (B, N, C, h, w)
        road = points_over_road(self.grid, torch.zeros(1, device=features.device), rig.road)  # (B, P, 1, 3)
        pixels, _, visible = project_points(road.transpose(1, 2), rig.bev2img, rig.image_size)  # (B, N, P, 2)
        visible = visible & rig.camera_valid[..., None]
        where = torch.where(visible[..., None], pixels * 2 / pixels.new_tensor(inputs.image_size[::-1]) - 1, -2)
        seen = F.grid_sample(features.flatten(0, 1), where.flatten(0, 1)[:, :, None], align_corners=False)
        mean = seen.unflatten(0, visible.shape[:2]).sum(1) / visible.sum(1)[:, None, :, None].clamp(min=1)
        return self.layer(mean.unflatten(2, self.grid.shape)[..., 0]), None
