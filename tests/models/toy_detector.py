"""A detector that is not ours, with our objectives beside it, and what it takes."""

import torch
from mmdet3d.models import Base3DDetector
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import nn
from toy_segmentor import COARSE, FINE, GRID, OBJECTIVES, make_sample

RANGE = [-8.0, -8.0, -5.0, 8.0, 8.0, 3.0]
WANTED = ('seg', 'reprojection', 'accumulated')


@MODELS.register_module()
class ToyDetector(Base3DDetector):
    """Its neck gives two maps, of which the coarser is half as fine; its head draws random numbers as it starts."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.neck = ToyNeck()
        self.head = nn.Conv2d(4, 1, 1)
        self.unused = nn.Identity()

    def init_weights(self):
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.1)

    def extract_feat(self, inputs):
        return self.neck(inputs['points'])

    def loss(self, inputs, data_samples):
        return {'task0.loss_heatmap': self._forward(inputs).square().mean()}

    def predict(self, inputs, data_samples):
        results = [InstanceData(scores_3d=score[None]) for score in self._forward(inputs).amax((1, 2, 3))]
        return self.add_pred_to_datasample(data_samples, results)

    def _forward(self, inputs, data_samples=None):
        return self.head(self.extract_feat(inputs)[0])


class ToyNeck(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)

    def forward(self, points):
        features = self.conv(points)
        return features, nn.functional.avg_pool2d(features, 2)


def seg_head(**changes):
    """For features of 1 m; the label grid is 16 m by 8 m in cells of 1 m."""
    return (
        dict(
            type='BEVSegHead',
            in_channels=4,
            channels=8,
            num_upsamples=0,
            grid=GRID,
            classes=FINE,
            coarse_classes=COARSE,
        )
        | changes
    )


def make(**changes):
    torch.manual_seed(0)
    config = dict(
        type='DetectorWithObjectives',
        detector=dict(type='ToyDetector'),
        tap='neck',
        point_cloud_range=RANGE,
        seg_head=seg_head(),
        objectives={name: OBJECTIVES[name] for name in WANTED},
    )
    model = MODELS.build(ConfigDict({**config, **changes}))
    model.init_weights()
    return model


def make_batch(size=2):
    generator = torch.Generator().manual_seed(3)
    samples = []
    for seed in range(size):
        ours = make_sample(seed)
        sample = Det3DDataSample(metainfo={**ours.metainfo, 'bev_frame': 'lidar', 'sample_idx': seed})
        for key, value in ours.items():
            # Windows of one frame, the last.
            window = key in ('bev2img', 'bev2global', 'road2bev', 'frame_valid', 'pseudo_target', 'pseudo_confidence')
            sample.set_field(value[-1:] if window else value, key)
        samples.append(sample)
    return {'points': torch.randn(size, 2, 16, 16, generator=generator)}, samples
