"""The config of a run: a file of configs/synthetic/label_efficiency/ and what the run changes in it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mmengine.config import Config, DictAction

from .arms import ARMS, Run
from .commands import PROJECT

TOY_BATCHES = 2
# Ablations: two fifths of the steps of every phase, validated four times, the second after the paper's pretraining.
SHORT_BATCHES = 20
_LOADERS = ('train', 'labelled', 'assisted', 'unlabelled', 'pretrain', 'perspective')
SHORT = (
    *(f'{name}_dataloader.sampler.batches={SHORT_BATCHES}' for name in _LOADERS),
    'train_cfg.val_interval=9',
)


def resolve(run: Run, toy: bool = False) -> tuple[Config, list[str]]:
    """The config, and the KEY=VALUE that lead to it from the arm's file.

    Args:
        run: whose.
        toy: shorten the schedule to see whether everything runs.
    """
    options = run.config_options()
    config = Config.fromfile(PROJECT / ARMS[run.arm].config)
    if toy:
        options += toy_options(config)
    config.merge_from_dict(_parse(options))
    return config, options


def toy_options(config: Config) -> list[str]:
    """KEY=VALUE that shorten each phase to an epoch of `TOY_BATCHES` steps, the last one to two epochs."""
    hook = next(i for i, hook in enumerate(config.custom_hooks) if hook.type == 'TwoPhaseHook')
    phases = config.custom_hooks[hook].phases
    loaders = {phase.get('train_dataloader', 'train_dataloader') for phase in phases}
    epochs = [1] * (len(phases) - 1) + [2]
    return [
        *(f'custom_hooks.{hook}.phases.{i}.epochs={epoch}' for i, epoch in enumerate(epochs)),
        *(f'{loader}.sampler.batches={TOY_BATCHES}' for loader in sorted(loaders)),
        f'train_cfg.max_epochs={sum(epochs)}',
        'train_cfg.val_interval=1',
        'default_hooks.logger.interval=1',
        'log_processor.window_size=1',
    ]


def _parse(options: Sequence[str]) -> dict:
    """As `--cfg-options` of the tools reads them."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args(['--cfg-options', *options]).cfg_options
