"""What a run's config and logs say: steps, passes and seconds by phase, the validation curve, the final figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from .merge import TRUTH_PREFIX
from .plateau import Point

PREFIXES = {'noisy': 'bev/', 'exact': 'exact/'}


class PhaseLength(NamedTuple):
    """A phase of training: its steps, and the frames (of six images) that they carry forward and backward."""

    name: str
    steps: int
    frames: int


def phase_lengths(config: Config) -> list[PhaseLength]:
    """The phases of a config of configs/synthetic/label_efficiency/."""
    phases = next(hook.phases for hook in config.custom_hooks if hook.type == 'TwoPhaseHook')
    lengths = []
    for phase in phases:
        loader = config[phase.get('train_dataloader', 'train_dataloader')]
        steps = phase.epochs * loader.sampler.batches
        lengths.append(PhaseLength(phase.name, steps, steps * loader.batch_size * loader.dataset.num_frames))
    return lengths


def phase_seconds(records: Sequence[Mapping], lengths: Sequence[PhaseLength]) -> dict[str, float]:
    """Seconds of training steps by phase, from the records of `read_scalars`.

    Raises:
        ValueError: the log ends before the last step.
    """
    training = [record for record in records if 'iter' in record]
    seconds, end, before = {}, 0, 0.0
    for phase in lengths:
        end += phase.steps
        upto = next((record['seconds'] for record in training if record['iter'] >= end), None)
        if upto is None:
            last = training[-1]['iter'] if training else 0
            raise ValueError(f'the log ends at step {last}, phase {phase.name!r} ends at {end}')
        seconds[phase.name], before = upto - before, upto
    return seconds


def curve_of(records: Sequence[Mapping], seconds_before: float) -> list[Point]:
    """The validations of a log; `seconds_before` the first step went to the teacher and to accumulation."""
    return [
        Point(record['steps'], seconds_before + record['seconds'], record['bev/mIoU'], record['exact/mIoU'])
        for record in records
        if 'bev/mIoU' in record
    ]


def figures(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """The metrics against published (noisy) labels and against the truth, under equal names; None: not defined."""
    return {
        truth: {
            name.removeprefix(prefix).replace(TRUTH_PREFIX, ''): None if value is None or isnan(value) else value
            for name, value in metrics.items()
            if name.startswith(prefix)
        }
        for truth, prefix in PREFIXES.items()
    }


def best_checkpoint(work_dir: Path) -> tuple[Path, int]:
    """The checkpoint with the best validation, and its epoch.

    Raises:
        FileNotFoundError: there is none.
    """
    found = sorted(work_dir.glob('best_*_epoch_*.pth'), key=lambda path: path.stat().st_mtime)
    if not found:
        raise FileNotFoundError(f'no best_*.pth in {work_dir}: was the run validated?')
    return found[-1], int(found[-1].stem.rsplit('_', 1)[1])


def best_validation(records: Sequence[Mapping], steps: int) -> Mapping:
    """The record of the validation after so many training steps."""
    return next(record for record in records if 'bev/mIoU' in record and record['steps'] == steps)
