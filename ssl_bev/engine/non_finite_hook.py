"""No update from a loss or gradient that is not finite, and a report on its batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import Any

import torch
from mmdet3d.registry import HOOKS
from mmengine.device import get_device
from mmengine.dist import all_reduce, get_rank
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor
from torch.optim import Optimizer

from ssl_bev.files import write_text

from .batch_report import batch_ranges, batch_samples, finite_json
from .model_wrappers import unwrapped

_SKIPS = 'non_finite_skips'  # in checkpoints, so that a resumed run continues to count


@HOOKS.register_module()
class NonFiniteHook(Hook):
    """Check loss and gradients before each update; if they are not finite, do not update, and stop or continue.

    All processes do the same, and weights and optimizer do not change. Each affected process writes
    `non_finite/iteration_{number}_process_{rank}.json` into the work directory: tokens and paths of the batch, all
    losses, the norm of the gradient, parameters whose gradient is not finite, and the ranges of all that the batch has.
    With gradient accumulation the whole update is left out. With a `GradScaler` (half precision), which causes such
    gradients itself when it tries scales, only the loss is checked.

    Args:
        action: 'stop' raises an error; 'skip' continues with the next batch.
        max_skips: number of updates that a run may skip before it stops.

    Raises:
        ValueError: another action, or a negative number.
        FloatingPointError: in training; also if skipping does not help because a running statistic is not finite.

    Example:
        >>> custom_hooks = [dict(type='NonFiniteHook', action='skip', max_skips=10)]
    """

    priority = 'LOW'  # after the log, before checkpoints

    def __init__(self, action: str = 'stop', max_skips: int = 10) -> None:
        if action not in ('stop', 'skip'):
            raise ValueError(f"action must be 'stop' or 'skip', got {action!r}")
        if max_skips < 0:
            raise ValueError(f'max_skips must not be negative, got {max_skips}')
        self.action, self.max_skips = action, max_skips
        self._watched: OptimWrapper | None = None
        # Of this iteration and since the last update, on the device: they are read once, with the gradient's norm.
        self._bad_loss: Tensor | None = None
        self._any_bad_loss: Tensor | None = None
        self._loss_is_bad: bool | None = None  # what was read of it
        self._norm: float | None = None
        self._left_out: dict[str, Any] | None = None  # what is known of an update that was not made

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Watch the optimizer, which is a new one in each phase."""
        self._bad_loss = self._loss_is_bad = self._left_out = None
        wrapper = runner.optim_wrapper
        if self._watched is not wrapper:
            if not isinstance(wrapper, OptimWrapper):
                raise ValueError(f'NonFiniteHook watches one optimizer, the run has a {type(wrapper).__name__}')
            self._watched, self._any_bad_loss = wrapper, None
            wrapper.update_params = wraps(wrapper.update_params)(partial(self._update, wrapper.update_params))
            wrapper.step = wraps(wrapper.step)(partial(self._step, runner, wrapper.step))
            if wrapper.clip_grad_kwargs:
                wrapper.clip_func = wraps(wrapper.clip_func)(partial(self._clip, wrapper.clip_func))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Report, and stop or continue."""
        if self._loss_is_bad is None and self._bad_loss is not None:  # gradients are accumulated
            self._loss_is_bad = bool(self._bad_loss)
        if not (self._loss_is_bad or self._left_out):
            return
        report = self._report(runner, data_batch, outputs)
        if self._left_out is None:  # the update is yet to come
            return
        skips = runner.message_hub.runtime_info.get(_SKIPS, 0) + 1
        runner.message_hub.update_info(_SKIPS, skips)
        what = f'the loss or gradient of iteration {runner.iter + 1} is not finite: see {report}'
        if self.action == 'stop':
            raise FloatingPointError(f'{what}. No update was made; NonFiniteHook(action="skip") would go on')
        if skips > self.max_skips:
            raise FloatingPointError(f'{what}. It is update {skips} of this kind, max_skips is {self.max_skips}')
        if statistics := _not_finite(dict(unwrapped(runner.model).named_buffers())):
            raise FloatingPointError(f'{what}. Skipping is of no use: {statistics[0]} of the model is not finite now')
        runner.logger.warning(f'{what}. The update is skipped, {skips} of at most {self.max_skips}')

    def _update(self, update: Any, loss: Tensor, *args: Any, **options: Any) -> None:
        self._bad_loss = ~torch.isfinite(loss.detach()).all()
        self._any_bad_loss = self._bad_loss if self._any_bad_loss is None else self._any_bad_loss | self._bad_loss
        update(loss, *args, **options)

    def _step(self, runner: Runner, step: Any, **options: Any) -> None:
        scaler = getattr(self._watched, 'loss_scaler', None)
        scales = scaler is not None and scaler.is_enabled()
        norm = _gradient_norm(runner.optim_wrapper.optimizer)
        flag = torch.zeros_like(norm, dtype=torch.bool) if scales else ~norm.isfinite()
        if self._any_bad_loss is not None:
            flag = flag | self._any_bad_loss
        flag, bad = flag.int(), flag if self._bad_loss is None else self._bad_loss
        all_reduce(flag, 'max')
        # Read once, since each reading waits for the GPU.
        flag, bad, norm = torch.stack([value.double() for value in (flag, bad, norm)]).tolist()
        self._any_bad_loss, self._loss_is_bad, self._norm = None, bool(bad), None if scales else norm
        if flag:
            gradients = {name: p.grad for name, p in unwrapped(runner.model).named_parameters() if p.grad is not None}
            self._left_out = dict(gradient_norm=self._norm, parameters=_not_finite(gradients))
        else:
            step(**options)

    def _clip(self, clip: Callable, parameters: Sequence[Tensor], **options: Any) -> Tensor | float | None:
        """Clip as usual; a norm that was read already saves the log of mmengine another wait."""
        norm = clip(parameters, **options)
        known = norm is not None and self._norm is not None and options.get('norm_type', 2) == 2
        return self._norm if known else norm

    def _report(self, runner: Runner, batch: dict | None, losses: dict | None) -> Path:
        content = dict(
            iteration=runner.iter + 1,
            epoch=runner.epoch + 1,
            process=get_rank(),
            loss_is_finite=not self._loss_is_bad,
            losses={name: torch.as_tensor(value).detach().item() for name, value in (losses or {}).items()},
            **(self._left_out or {}),
            samples=batch_samples(batch),
            ranges=batch_ranges(batch),
        )
        name = f'iteration_{runner.iter + 1}_process_{get_rank()}.json'
        path = Path(runner.work_dir) / 'non_finite' / name
        write_text(path, json.dumps(finite_json(content), indent=1))
        return path


def _gradient_norm(optimizer: Optimizer) -> Tensor:  # ()
    gradients = [p.grad for group in optimizer.param_groups for p in group['params'] if p.grad is not None]
    return torch.stack(torch._foreach_norm(gradients)).norm() if gradients else torch.zeros((), device=get_device())


def _not_finite(tensors: dict[str, Tensor]) -> list[str]:
    return [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
