"""A model and a dataset of seconds, with everything random that a real run has: shuffling, augmentation, dropout."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet3d.registry import DATASETS, HOOKS, MODELS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch.utils.data import Dataset

import ssl_bev.evaluation  # noqa: F401, registers its parts
from ssl_bev.engine.launch import prepare_run, use_checkpoint

CLASSES = ('a', 'b', 'c')
GRID = dict(x_range=(-2.0, 2.0), y_range=(-1.0, 1.0), cell_size=1.0)
LOSS_NAMES = ('seg', 'reprojection')


class ToyHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Linear(8, 3)
        self.coarse = nn.Linear(8, 2)

    @torch.no_grad()
    def init_fine_from_coarse(self) -> None:
        self.fine.weight.copy_(self.coarse.weight[[0, 1, 1]] + 0.01 * torch.randn(3, 8))


@MODELS.register_module()
class ToySegmentor(BaseModel):
    def __init__(self, width: int = 8, centred: bool = False) -> None:
        """`centred`: a running mean is taken off, of which each process has its own."""
        super().__init__()
        if centred:
            self.register_buffer('running_mean', torch.zeros(4))
        self.encoder = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(0.3))
        self.seg_head = ToyHead()
        self.loss_weights: dict[str, float] = {}
        self.set_loss_weights({'seg': 1.0})

    def get_loss_weights(self) -> dict[str, float]:
        return dict(self.loss_weights)

    def set_loss_weights(self, weights: Mapping[str, float]) -> None:
        if unknown := set(weights) - set(LOSS_NAMES):
            raise ValueError(f'unknown loss {unknown}')
        self.loss_weights = {name: float(weights.get(name, 0)) for name in LOSS_NAMES}
        # As `BEVSegmentor`: what has no loss wants no gradient, and a distributed model must be wrapped anew.
        self.seg_head.fine.requires_grad_(bool(self.loss_weights['seg']))
        self.seg_head.coarse.requires_grad_(bool(self.loss_weights['reprojection']))

    def forward(self, inputs: list[Tensor], data_samples: list[BaseDataElement], mode: str = 'tensor') -> Any:
        inputs = torch.stack(inputs)
        if hasattr(self, 'running_mean'):
            mean = inputs.mean(0)
            inputs = inputs - self.running_mean
            self.running_mean.lerp_(mean, 0.1 * self.training)
        features = self.encoder(inputs)
        fine, coarse = self.seg_head.fine(features), self.seg_head.coarse(features)
        if mode == 'predict':
            for sample, logits in zip(data_samples, fine, strict=True):
                sample.pred_bev_seg = logits.view(3, 1, 1).sigmoid().expand(3, 2, 4)
            return data_samples
        losses = dict(seg=(fine - 1).square().mean(), reprojection=(coarse + 1).square().mean())
        weights = self.loss_weights
        return {f'loss_{name}': weights[name] * (v if weights[name] else v.detach()) for name, v in losses.items()}

    def init_fine_from_coarse(self) -> None:
        self.seg_head.init_fine_from_coarse()


@DATASETS.register_module()
class ToyDataset(Dataset):
    def __init__(self, length: int, offset: float = 0.0, augment: bool = True) -> None:
        self.length, self.offset, self.augment = length, offset, augment
        self.scene_tokens = [str(index // 3) for index in range(length)]
        self.metainfo = dict(classes=('a', 'b'))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        noise = np.random.rand(4) + random.random() + torch.rand(4).numpy()  # noqa: NPY002
        noise = noise * self.augment
        sample = BaseDataElement(
            metainfo=dict(sample_token=str(index), bev_classes=CLASSES, pred_classes=CLASSES, **GRID)
        )
        sample.gt_bev_seg = (torch.arange(24).view(3, 2, 4) * (index + 3) % 7 < 4).to(torch.uint8)
        inputs = torch.tensor(index + self.offset + noise, dtype=torch.float32) / 10
        return dict(inputs=inputs, data_samples=sample)


@HOOKS.register_module()
class RecordHook(Hook):
    """What happened in each iteration."""

    def __init__(self) -> None:
        self.rows: dict[int, dict] = {}

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs=None) -> None:
        self.rows[runner.iter] = dict(
            epoch=runner.epoch,
            loss=outputs['loss'].item(),
            lr=runner.optim_wrapper.get_lr()['lr'][0],
            inputs=torch.stack(data_batch['inputs']).clone(),
            weights=dict(getattr(runner.model, 'module', runner.model).loss_weights),
        )


@HOOKS.register_module()
class SlowHook(Hook):
    """Takes its time from some iteration on, and writes how far it is; so too in validation."""

    def __init__(self, seconds: float, begin: int = 0, validation: bool = False) -> None:
        self.seconds, self.begin, self.validation = seconds, begin, validation

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        (Path(runner.work_dir) / 'progress').write_text(str(runner.iter))
        if runner.iter >= self.begin and not self.validation:
            time.sleep(self.seconds)

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        (Path(runner.work_dir) / 'validates').touch()
        time.sleep(self.seconds if self.validation else 0)


def dataloader(length: int = 8, offset: float = 0.0, num_workers: int = 0, **more) -> dict:
    return dict(
        dataset=dict(type='ToyDataset', length=length, offset=offset),
        sampler=dict(type='DefaultSampler', shuffle=True),
        batch_size=2,
        num_workers=num_workers,
        **more,
    )


PRETRAIN = dict(name='pretrain', epochs=2, losses=dict(reprojection=1.0))
FINETUNE = dict(name='finetune', epochs=3, losses=dict(seg=2.0), lr=0.02, init_classes='coarse')


def two_phases(num_workers: int = 0) -> list[dict]:
    labelled = dataloader(length=6, offset=100.0, num_workers=num_workers)
    return [copy.deepcopy(PRETRAIN), dict(copy.deepcopy(FINETUNE), train_dataloader=labelled)]


def make_config(work_dir: Path, phases: list[dict], name: str, num_workers: int = 0, **options) -> dict:
    """A config whose last custom hook is a `RecordHook`."""
    config = dict(
        default_scope='mmdet3d',
        model=dict(type='ToySegmentor'),
        work_dir=str(work_dir),
        train_dataloader=dataloader(num_workers=num_workers),
        train_cfg=dict(by_epoch=True, max_epochs=sum(phase['epochs'] for phase in phases)),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01)),
        param_scheduler=[dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True)],
        default_hooks=dict(checkpoint=dict(type='SafeCheckpointHook', interval=1), logger=dict(type='LoggerHook')),
        custom_hooks=[
            dict(type='TwoPhaseHook', phases=phases),
            dict(type='ExactResumeHook'),
            dict(type='CheckpointShapeHook'),
            dict(type='RecordHook'),
        ],
        randomness=dict(seed=7),
        experiment_name=name,
        log_level='WARNING',
    )
    return config | options


def make_runner(*args, **options) -> Runner:
    return Runner.from_cfg(Config(make_config(*args, **options)))


def run(*args, **options) -> tuple[Runner, dict[int, dict]]:
    """Train, and what was recorded."""
    runner = make_runner(*args, **options)
    runner.train()
    return runner, next(hook for hook in runner.hooks if isinstance(hook, RecordHook)).rows


def run_distributed(
    work_dir: Path, phases: list[dict], name: str, num_workers: int = 0, resume: str | None = None, **options
) -> tuple[Runner, dict[int, dict]]:
    """As `engine_toy.run`, on each process of the group."""
    config = Config(make_config(work_dir, phases, name, num_workers, **options))
    prepare_run(config, work_dir, 'pytorch')
    use_checkpoint(config, resume)
    runner = Runner.from_cfg(config)
    runner.train()
    return runner, next(hook for hook in runner.hooks if isinstance(hook, RecordHook)).rows


def weights_of(runner: Runner) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in runner.model.state_dict().items()}
