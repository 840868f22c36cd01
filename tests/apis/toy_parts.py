from pathlib import Path

import torch
from mmdet3d.registry import DATASETS, MODELS
from mmengine.model import BaseModel
from torch import nn
from torch.utils.data import Dataset

from ssl_bev.apis import init_model
from ssl_bev.structures import BEVDataSample

CONFIG = """
custom_imports = dict(imports=['toy_parts'], allow_failed_imports=False)
default_scope = 'mmdet3d'
model = dict(type='ConstantSegmentor', classes=['drivable_area', 'stop_line'], width=3)
test_dataloader = dict(
    batch_size=2, num_workers=2, persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='RampDataset', ann_file='none.pkl', data_root='nowhere', label_dir='labels', label_fraction=0.5))
"""
SHAPE = (8, 16)
FORWARD_CAMERA = torch.tensor(
    [[40.0, -40.0, 0.0, 0.0], [10.0, 0.0, -40.0, 60.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)


@MODELS.register_module()
class ConstantSegmentor(BaseModel):
    """Predicts one learnt value everywhere in its first class, and the images' mean in the second."""

    def __init__(self, classes, width, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.classes = classes
        self.logit = nn.Parameter(torch.zeros(width))

    def forward(self, inputs, data_samples, mode='tensor'):
        assert mode == 'predict' and not self.training and not torch.is_grad_enabled()
        for window, sample in zip(inputs['img'], data_samples, strict=True):
            values = torch.stack([self.logit.sigmoid()[0], window[-1].float().mean() / 255])
            sample.pred_bev_seg = values[:, None, None].expand(-1, *SHAPE).clone()
            sample.set_metainfo(
                {'pred_classes': self.classes, 'x_range': (-8.0, 8.0), 'y_range': (-4.0, 4.0), 'cell_size': 1.0}
            )
        return data_samples


@DATASETS.register_module()
class RampDataset(Dataset):
    """Three windows of two frames; the images of sample i have the grey level 50 i in the last frame.

    The first two are of scene a, half a second and 2 m apart; the vehicle looks north.
    """

    scene_tokens = ('a', 'a', 'b')

    def __init__(self, **settings):
        self.settings = settings

    def __len__(self):
        return 3

    def get_data_info(self, index):
        return {'frames': [{'scene_name': f'scene-{self.scene_tokens[index]}'}]}

    def __getitem__(self, index):
        images = torch.full((2, 2, 3, 20, 80), 50 * index, dtype=torch.uint8)
        images[0] = 255
        sample = BEVDataSample(
            metainfo={
                'sample_token': f'token{index}', 'scene_name': 'scene-0001', 'camera_names': ['front', 'rear'],
                'bev_frame': 'ego', 'bev_classes': ['drivable_area'], 'timestamps': [0.5 * index, 0.5 * index + 0.5],
            }
        )  # fmt: skip
        sample.bev2img = FORWARD_CAMERA.expand(2, 2, 4, 4).clone()
        sample.road2bev = torch.eye(4).expand(2, 4, 4).clone()
        pose = [[0, -1, 0, 1e6], [1, 0, 0, 2e6 + 2 * index], [0, 0, 1, 0], [0, 0, 0, 1]]
        sample.bev2global = torch.tensor(pose, dtype=torch.float64).expand(2, 4, 4).clone()
        if index == 0:
            sample.gt_bev_seg = torch.zeros(1, 16, 32, dtype=torch.uint8)  # half a metre: twice as fine
        return {'inputs': {'img': images}, 'data_samples': sample}


def write_checkpoint(config: Path, path: Path) -> Path:
    """Weights that predict 0.88 everywhere."""
    model = init_model(config)
    with torch.no_grad():
        model.logit.fill_(2.0)
    torch.save({'state_dict': model.state_dict(), 'meta': {'epoch': 1}}, path)
    return path
