"""The train dataloader of each phase, and the iterations that follow from its length."""

from __future__ import annotations

from collections.abc import Mapping

from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ssl_bev.files.rules import suggest

from .phases import Phase, PhasePlan


class PhaseLoaders:
    """Builds all dataloaders of a plan.

    Raises:
        ValueError: a phase names a dataloader that the config does not have.
    """

    def __init__(self, runner: Runner, plan: PhasePlan) -> None:
        self._plan = plan
        self._loaders = [build_loader(runner, phase) for phase in plan.phases]

    def samples(self, index: int) -> int:
        """Of the dataset of a phase."""
        return len(self._loaders[index].dataset)  # type: ignore[arg-type]  # torch's Dataset declares no length

    def iterations(self, index: int) -> int:
        """Of a whole phase."""
        return self._plan[index].epochs * len(self._loaders[index])

    def first_iteration(self, index: int) -> int:
        """The iteration, counted from 0, with which a phase starts."""
        return sum(self.iterations(earlier) for earlier in range(index))

    def first_iteration_of_epoch(self, epoch: int) -> int:
        """The iteration with which an epoch starts; both count from 0."""
        if epoch >= self._plan.total_epochs:
            return self.first_iteration(len(self._plan))
        index, since = self._plan.locate(epoch)
        return self.first_iteration(index) + since * len(self._loaders[index])

    def use(self, runner: Runner, index: int) -> None:
        """Let the runner train on the data of a phase."""
        loader = self._loaders[index]
        runner.train_loop.dataloader = runner._train_dataloader = loader
        if hasattr(loader.dataset, 'metainfo'):
            runner.visualizer.dataset_meta = loader.dataset.metainfo
            runner.message_hub.update_info('dataset_meta', loader.dataset.metainfo)


def build_loader(runner: Runner, phase: Phase) -> DataLoader:
    """The dataloader of a phase: its own, one of the config by name, or that of the run.

    Raises:
        ValueError: the config has none of this name.
    """
    config = phase.train_dataloader
    if config is None:
        return runner.train_loop.dataloader
    if isinstance(config, str):
        name, config = config, runner.cfg.get(config)
        if not isinstance(config, Mapping):
            known = [key for key in runner.cfg if key.endswith('dataloader')]
            raise ValueError(
                f'phase {phase.name!r}: train_dataloader {name!r} is no dataloader of the config; '
                f'{suggest(name, known)}'
            )
    spread = runner._randomness_cfg.get('diff_rank_seed', False)
    return runner.build_dataloader(config, seed=runner.seed, diff_rank_seed=spread)
