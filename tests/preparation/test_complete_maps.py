"""Targets from a completion network, for every frame of a data set."""

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate
from mmengine.model import BaseModel
from torch import nn
from torch.utils.data import DataLoader

from ssl_bev.datasets import LoadAccumulatedTargets
from ssl_bev.datasets.accumulated_target_files import read_target
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.complete_maps import complete_maps
from ssl_bev.structures import BEVDataSample

GRID = BEVGrid((-4, 4), (-2, 2), 0.5)
CLASSES = ('drivable_area', 'stop_line')


class Frames(list):
    bev_frame = 'ego'


class Doubtful(BaseModel):
    """Says 0.2 and 0.8, whatever the evidence; counts how often it is asked."""

    classes = ('drivable',)

    def __init__(self):
        super().__init__()
        self.seg_head = nn.Module()
        self.seg_head.grid, self.seg_head.classes = GRID, CLASSES
        self.asked = 0

    def forward(self, inputs, data_samples, mode):
        self.asked += 1
        for sample in data_samples:
            sample.pred_bev_seg = torch.tensor([0.2, 0.8]).view(2, 1, 1).expand(2, *GRID.shape)
        return data_samples


@pytest.fixture
def loader():
    """Five frames; the left half was seen with the weight 0.6, the right one was not."""
    weight = torch.zeros(1, *GRID.shape)
    weight[..., :8] = 0.6
    frames = Frames(
        dict(
            inputs=dict(evidence=torch.cat([torch.zeros_like(weight), weight])),
            data_samples=BEVDataSample(metainfo=dict(sample_token=f'frame{index}')),
        )
        for index in range(5)
    )
    return DataLoader(frames, batch_size=2, collate_fn=default_collate)


def test_each_frame_gets_the_map_and_what_was_not_seen_counts_less(loader, tmp_path):
    counts = complete_maps(Doubtful(), loader, tmp_path / 'out', dict(name='a'), 0.1, show_progress=False)
    assert counts == dict(written=5, there=0)
    for index in range(5):
        probability, weight = read_target(tmp_path / 'out', f'frame{index}', (2, *GRID.shape))
        assert np.unique(probability[0]).tolist() == [51] and np.unique(probability[1]).tolist() == [204]
        assert np.unique(weight[..., :8]).tolist() == [153] and np.unique(weight[..., 8:]).tolist() == [26]
    loaded = LoadAccumulatedTargets(tmp_path / 'out', kind='completed')
    assert loaded.classes == CLASSES


def test_it_goes_on_where_it_stopped_but_not_with_another_network(loader, tmp_path):
    model = Doubtful()
    complete_maps(model, loader, tmp_path / 'out', dict(name='a'), show_progress=False)
    (tmp_path / 'out' / 'frame4.npz').unlink()
    model.asked = 0
    counts = complete_maps(model, loader, tmp_path / 'out', dict(name='a'), show_progress=False)
    assert counts == dict(written=1, there=4) and model.asked == 1
    with pytest.raises(ValueError, match=r"made with source .*'a'.*now .*'b'"):
        complete_maps(model, loader, tmp_path / 'out', dict(name='b'), show_progress=False)
    with pytest.raises(ValueError, match=r'unseen_weight must be in \[0, 1\], got 2'):
        complete_maps(model, loader, tmp_path / 'other', dict(name='a'), 2, show_progress=False)
    assert not (tmp_path / 'other').exists()
