"""Evaluation keeps counts, not maps: memory does not grow with the number of samples."""

import gc
import os

import psutil
import pytest
import torch
from mmengine.dataset import pseudo_collate

from ssl_bev.datasets import NuScenesBEVDataset
from ssl_bev.evaluation import BEVIoUMetric

MEGABYTE = 2**20


@pytest.mark.slow
def test_memory_is_flat_over_300_samples(tiny_data, tiny_root):
    """Maps of 250 samples would be 250 x (5 x 120 x 240 floats) = 144 MB."""
    pipeline = [dict(type=name) for name in ('LoadBEVImages', 'LoadBEVMasks', 'PackBEVInputs')]
    dataset = NuScenesBEVDataset(
        'ssl_bev_infos_train.pkl', pipeline, data_root=str(tiny_root), info_root=str(tiny_data), test_mode=True
    )
    classes = ('drivable_area', 'lane_divider', 'road_divider', 'ped_crossing', 'stop_line')
    metric = BEVIoUMetric(classes)
    process = psutil.Process(os.getpid())
    generator = torch.Generator().manual_seed(0)
    sizes = {}
    for i in range(1, 301):
        batch = pseudo_collate([dataset[i % len(dataset)]])
        (sample,) = batch['data_samples']
        sample.set_metainfo(dict(sample_token=f'token{i}', pred_classes=classes))
        sample.pred_bev_seg = torch.rand(sample.gt_bev_seg.shape, generator=generator)
        metric.process(batch, [sample.to_dict()])
        if i in (50, 300):
            gc.collect()
            sizes[i] = process.memory_info().rss
    assert len(metric.results) == 300
    assert sizes[300] - sizes[50] < 40 * MEGABYTE  # the allocator itself swings by 20
    assert metric.evaluate(300)['bev/mIoU'] > 0
