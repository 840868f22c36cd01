"""Resume at the end of an epoch with the random numbers and the order of samples that the straight run has."""

from __future__ import annotations

import torch
from mmdet3d.registry import HOOKS
from mmengine.dataset import worker_init_fn as mmengine_worker_init_fn
from mmengine.dist import broadcast, get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from .seeding import derive_seed, seed_everything, seed_worker_by_epoch
from .two_phase_hook import TwoPhaseHook


@HOOKS.register_module()
class ExactResumeHook(Hook):
    """Seed everything that is random in training at the start of each epoch.

    mmengine saves no random state. Instead of saving it, this hook makes it a function of (seed, rank, phase, epoch of
    the phase) for Python, numpy, torch, the sampler's order and the dataloader's workers. The phase is that of a
    `TwoPhaseHook`, if there is one: fine-tuning draws the same after pretraining in the same run as in its own run.
    A run resumes exactly from the checkpoints saved at the end of an epoch, with the same number of workers.

    Raises:
        ValueError: a train dataloader with `persistent_workers=True`, whose workers cannot be seeded anew.
    """

    priority = 'LOWEST'  # after DistSamplerSeedHook and whatever else draws random numbers

    def __init__(self) -> None:
        self._seed = 0
        self._seed_before_resume: int | None = None

    def before_run(self, runner: Runner) -> None:
        """Remember the seed with which samplers were built; without a seed in the config, resuming changes it."""
        self._seed_before_resume = runner.seed

    def before_train(self, runner: Runner) -> None:
        """Agree on rank 0's seed."""
        seed = torch.tensor(runner.seed)
        broadcast(seed)
        self._seed = int(seed)

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed the epoch."""
        place = self._place(runner)
        self._prepare(runner.train_loop.dataloader, place)
        seed_everything(derive_seed(self._seed, get_rank(), *place))

    @staticmethod
    def _place(runner: Runner) -> tuple[str, int]:
        for hook in runner.hooks:
            if isinstance(hook, TwoPhaseHook):
                index, epoch = hook.plan.locate(runner.epoch)
                return hook.plan[index].name, epoch
        return '', runner.epoch

    def _prepare(self, loader: DataLoader, place: tuple[str, int]) -> None:
        if loader.persistent_workers:
            raise ValueError(
                'ExactResumeHook cannot seed workers that live on from epoch to epoch; '
                'set persistent_workers=False in train_dataloader'
            )
        function = loader.worker_init_fn
        if function is None or getattr(function, 'func', None) is mmengine_worker_init_fn:
            loader.worker_init_fn = seed_worker_by_epoch
        for sampler in (loader.sampler, getattr(loader.batch_sampler, 'sampler', None)):
            if hasattr(sampler, 'set_epoch'):
                sampler.set_epoch(derive_seed(*place))
                if sampler.seed == self._seed_before_resume:
                    sampler.seed = self._seed
