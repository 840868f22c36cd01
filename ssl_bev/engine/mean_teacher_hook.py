"""Keeps the mean teacher of a model: a running average of its weights."""

from __future__ import annotations

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import ExponentialMovingAverage, is_model_wrapper
from mmengine.runner import Runner
from torch import nn


@HOOKS.register_module()
class MeanTeacherHook(Hook):
    """Give the model a teacher while its `loss_teacher` has a weight.

    When the loss gets a weight, as a phase of `TwoPhaseHook` begins, the teacher starts as a copy of the student. The
    weights in `state_dict` of a checkpoint stay the student's, unlike those of mmengine's `EMAHook`; the teacher is
    beside them under 'mean_teacher', for resuming.

    Args:
        momentum: share of the student in each update.

    Raises:
        ValueError: a momentum outside (0, 1), or a model without `set_teacher`.
    """

    priority = 'NORMAL'  # after TwoPhaseHook has set the loss weights

    def __init__(self, momentum: float = 0.001) -> None:
        if not 0 < momentum < 1:
            raise ValueError(f'momentum must lie in (0, 1), got {momentum}')
        self.momentum = momentum
        self._average: ExponentialMovingAverage | None = None
        self._resumed: dict | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remember the teacher of the run that is resumed."""
        self._resumed = checkpoint.get('mean_teacher') if runner._resume else None

    def before_train_epoch(self, runner: Runner) -> None:
        """Begin or end teaching, as the loss weights say."""
        model = _unwrapped(runner.model)
        if not hasattr(model, 'set_teacher'):
            raise ValueError(f'MeanTeacherHook needs a model with set_teacher, such as BEVSegmentor, got {type(model)}')
        if not model.loss_weights.get('loss_teacher'):
            self._average = None
            model.set_teacher(None)
        elif self._average is None:
            model.set_teacher(None)  # no copy of a teacher in the copy
            self._average = ExponentialMovingAverage(model, self.momentum, update_buffers=True)
            if self._resumed is not None:
                self._average.load_state_dict(self._resumed)
            model.set_teacher(self._average.module)
        self._resumed = None

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        """Let the teacher follow."""
        if self._average is not None:
            self._average.update_parameters(_unwrapped(runner.model))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the teacher beside the student."""
        if self._average is not None:
            checkpoint['mean_teacher'] = self._average.state_dict()


def _unwrapped(model: nn.Module) -> nn.Module:
    return model.module if is_model_wrapper(model) else model
