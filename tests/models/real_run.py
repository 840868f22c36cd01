"""Both phases of a training with the real model, on tiny samples."""

from __future__ import annotations

from pathlib import Path

import torch
from distributed_worker import images_of, make_real_model, sample_of
from emptied import without_anything
from mmdet3d.registry import DATASETS, HOOKS, MODELS
from mmengine.config import Config
from mmengine.dist import get_dist_info
from mmengine.hooks import Hook

import ssl_bev.components  # noqa: F401  (registers hooks and preprocessor)

MODELS.register_module(name='RealModel', module=lambda: make_real_model(dict(type='BEVDataPreprocessor')), force=True)
PHASES = [
    dict(name='image', epochs=1, losses=dict(perspective=1.0)),
    dict(name='pretrain', epochs=1, losses=dict(reprojection=1.0, temporal=0.5, accumulated=1.0, perspective=0.5)),
    dict(name='finetune', epochs=1, losses=dict(seg=1.0, completed=1.0), init_classes='coarse'),
]
EPOCH = 3


@DATASETS.register_module()
class RealSamples(torch.utils.data.Dataset):
    """Two samples for each process and iteration; those of the last process are empty."""

    def __len__(self):
        return 2 * EPOCH * get_dist_info()[1]

    def __getitem__(self, index):
        rank, count = get_dist_info()
        sample = sample_of(index % 2)
        if rank == count - 1:
            without_anything(sample)
        return dict(inputs=dict(img=images_of([index])[0]), data_samples=sample)


@HOOKS.register_module()
class NoteHook(Hook):
    def __init__(self):
        self.rows = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.rows.append({name: value.item() for name, value in outputs.items() if 'loss' in name})


def config_of(folder: Path, **options) -> Config:
    loader = dict(dataset=dict(type='RealSamples'), sampler=dict(type='DefaultSampler', shuffle=True), batch_size=2)
    return Config(
        dict(
            default_scope='mmdet3d',
            model=dict(type='RealModel'),
            train_dataloader=dict(loader, num_workers=0),
            train_cfg=dict(by_epoch=True, max_epochs=len(PHASES)),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3), clip_grad=dict(max_norm=1)),
            default_hooks=dict(
                checkpoint=dict(type='SafeCheckpointHook', interval=1),
                preemption=dict(type='PreemptionHook'),
                non_finite=dict(type='NonFiniteHook'),
            ),
            custom_hooks=[
                dict(type='TwoPhaseHook', phases=PHASES), dict(type='ExactResumeHook'), dict(type='NoteHook')
            ],
            randomness=dict(seed=0),
            experiment_name=folder.name,
            log_level='WARNING',
            **options,
        )
    )  # fmt: skip
