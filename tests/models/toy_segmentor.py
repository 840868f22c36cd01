"""A `BEVSegmentor` with a backbone and an encoder of a few lines, and samples for it."""

import torch
from mmdet3d.registry import MODELS
from torch import nn

from ssl_bev.geometry import BEVGrid, rotation_z, translation
from ssl_bev.models import BEVEncoder, BEVSegmentor
from ssl_bev.structures import BEVDataSample
from ssl_bev.targets import POSITIVE

GRID = dict(x_range=(-8.0, 8.0), y_range=(-4.0, 4.0), cell_size=1.0)
FINE = ('drivable_area', 'lane_divider', 'road_divider')
COARSE = dict(drivable=['drivable_area'], marking=['lane_divider', 'road_divider'])
IMAGE, FRAMES, CAMERAS = (16, 32), 3, 2
LOSS = dict(type='SegmentationLoss')


@MODELS.register_module()
class ToyBackbone(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 8, 4, stride=4)

    def forward(self, images):
        return [super().forward(images)]


@MODELS.register_module()
class ToyEncoder(BEVEncoder):
    """Spreads the mean image feature over the BEV and mixes in the frame before."""

    stateful = True

    def __init__(self):
        super().__init__()
        self.cells = nn.Parameter(torch.randn(1, 8, 4, 8, generator=torch.Generator().manual_seed(0)))
        self.calls = []

    def forward(self, inputs, rig, state=None):
        self.calls.append(dict(grad=torch.is_grad_enabled(), size=inputs.image_size, state_valid=inputs.state_valid))
        features = inputs.image_features[0] * rig.camera_valid[..., None, None, None]
        bev = features.mean((1, 3, 4))[..., None, None] * self.cells
        if state is not None:
            valid = torch.ones(len(bev)) if inputs.state_valid is None else inputs.state_valid
            bev = bev + 0.5 * state * valid[:, None, None, None]
        return bev, bev


OBJECTIVES = dict(
    seg=dict(type='BEVLabelLoss', loss=LOSS),
    reprojection=dict(type='ReprojectionHead', loss=LOSS),
    temporal=dict(type='TemporalConsistencyLoss', min_confidence=0.0, max_contrast=1.0),
    perspective=dict(type='PerspectiveHead', in_channels=8, classes=list(COARSE), channels=8, loss=LOSS),
    accumulated=dict(type='TargetMapLoss', loss=LOSS),
    completed=dict(type='TargetMapLoss', kind='completed', loss=LOSS),
)


def make_model(objectives=None, **changes):
    """With these objectives, or with all; a change of one is laid over it."""
    torch.manual_seed(0)
    config = dict(
        img_backbone=dict(type='ToyBackbone'),
        bev_encoder=dict(type='ToyEncoder'),
        seg_head=dict(
            type='BEVSegHead', in_channels=8, channels=8, num_upsamples=1, grid=GRID, classes=FINE,
            coarse_classes=COARSE,
        ),
        objectives={name: {**OBJECTIVES[name], **(objectives or {}).get(name, {})} for name in OBJECTIVES},
    )  # fmt: skip
    model = BEVSegmentor(**{**config, **changes})
    model.init_weights()
    return model


def make_sample(seed, labelled=True):
    generator = torch.Generator().manual_seed(seed)
    camera = torch.tensor([[16.0, 0, 16, 0], [0, 16, 4, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ torch.tensor(
        [[0.0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, 0], [0, 0, 0, 1]]
    )
    cameras = torch.stack([camera, camera @ rotation_z(torch.tensor(1.0 + seed))])
    sample = BEVDataSample(
        metainfo=dict(
            sample_token=f'sample{seed}', img_shape=IMAGE, bev_classes=list(FINE), pseudo_classes=list(COARSE), **GRID
        )
    )
    sample.bev2img = cameras.repeat(FRAMES, 1, 1, 1)
    sample.bev2global = translation(torch.tensor([[float(t), 0.0, 0.0] for t in range(FRAMES)], dtype=torch.float64))
    sample.road2bev = torch.eye(4).repeat(FRAMES, 1, 1)
    sample.frame_valid = torch.tensor([seed % 2 == 0, True, True])
    if labelled:
        sample.gt_bev_seg = torch.randint(0, 2, (3, 8, 16), generator=generator).to(torch.uint8)
    sample.set_metainfo(dict(accumulated_classes=list(COARSE), accumulated_grid=BEVGrid(**GRID)))
    sample.accumulated_probability = torch.randint(0, 256, (2, 8, 16), generator=generator).to(torch.uint8)
    sample.accumulated_weight = torch.randint(0, 256, (2, 8, 16), generator=generator).to(torch.uint8)
    sample.set_metainfo(dict(completed_classes=list(FINE), completed_grid=BEVGrid(**GRID)))
    sample.completed_probability = torch.randint(0, 256, (3, 8, 16), generator=generator).to(torch.uint8)
    sample.completed_weight = torch.randint(0, 256, (3, 8, 16), generator=generator).to(torch.uint8)
    target = torch.randint(0, 2, (FRAMES, CAMERAS, 2, 8, 16), generator=generator)
    sample.pseudo_target = (target * POSITIVE).to(torch.uint8)
    sample.pseudo_confidence = torch.full((FRAMES, CAMERAS, 8, 16), 255, dtype=torch.uint8)
    return sample


def images(count, seed=0):
    pictures = torch.randn(count, FRAMES, CAMERAS, 3, *IMAGE, generator=torch.Generator().manual_seed(seed))
    return dict(img=pictures)


ALL = dict.fromkeys(OBJECTIVES, 1.0)
