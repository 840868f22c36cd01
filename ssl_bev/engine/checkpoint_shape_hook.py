"""Stop if a checkpoint does not fit the model, instead of training from random weights."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner, find_latest_checkpoint
from torch import Tensor, nn

from ssl_bev.checkpoints import load_checkpoint_file, without_scheme

from .model_wrappers import unwrapped


def check_shapes(model: nn.Module, state_dict: Mapping[str, Tensor], source: str, min_share: float = 0.0) -> str:
    """Check that weights fit the model where both have a parameter of the same name, and return a summary.

    Args:
        source: where the weights come from, for the error.
        min_share: fraction of the numbers in the file that must fit the model, 0 ... 1.

    Raises:
        ValueError: shapes that differ (the message names source, parameters and both shapes); no common name; or less
            than `min_share` of the file fits.
    """
    expected = model.state_dict()
    common = [name for name in state_dict if name in expected]
    if not common:
        raise ValueError(
            f'checkpoint {source} has no parameter in common with the model: it has '
            f'{next(iter(state_dict), "none at all")} ..., the model has {next(iter(expected))} ...'
        )
    wrong = [name for name in common if state_dict[name].shape != expected[name].shape]
    if wrong:
        shown = '; '.join(
            f'{name} is {tuple(state_dict[name].shape)} in the file, {tuple(expected[name].shape)} in the model'
            for name in wrong[:3]
        )
        more = f'; and {len(wrong) - 3} more' if len(wrong) > 3 else ''
        raise ValueError(f'checkpoint {source} is of another shape than the model: {shown}{more}')
    sizes = {name: tensor.numel() for name, tensor in state_dict.items()}
    fits, in_file = sum(sizes[name] for name in common), sum(sizes.values())
    share, in_model = fits / max(in_file, 1), sum(tensor.numel() for tensor in expected.values())
    said = (
        f'{len(common)} of {len(state_dict)} tensors of {source} fit ({100 * share:.0f} % of its numbers), '
        f'and give the model {100 * fits / max(in_model, 1):.0f} % of its own'
    )
    if share < min_share:
        lost = [name for name in state_dict if name not in expected]
        raise ValueError(
            f'{said}; CheckpointShapeHook wants min_share = {100 * min_share:.0f} %. The model has no '
            f'{", ".join(lost[:3])} ...; convert the names, or lower min_share if the rest is to start anew'
        )
    return said


def load_weights(model: nn.Module, filename: str | os.PathLike, strict: bool = True) -> dict:
    """Load the weights of a checkpoint into a model, safely, all or none, and return the whole checkpoint.

    Args:
        strict: names that only the model or only the file has are an error.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be loaded safely, or does not fit the model.
    """
    checkpoint = load_checkpoint_file(filename, 'cpu')
    weights = _without_wrapper(checkpoint.get('state_dict', checkpoint))
    check_shapes(model, weights, str(filename))
    expected = model.state_dict()
    missing = [name for name in expected if name not in weights and not name.endswith('num_batches_tracked')]
    unexpected = [name for name in weights if name not in expected]
    if strict and (missing or unexpected):
        raise ValueError(
            f'checkpoint {filename} does not fit the model: it lacks {missing[:3]} ({len(missing)} in all) and has '
            f'{unexpected[:3]} ({len(unexpected)} in all) that the model lacks; use the config that it was trained with'
        )
    model.load_state_dict(weights, strict=False)
    return checkpoint


@HOOKS.register_module()
class CheckpointShapeHook(Hook):
    """Check a checkpoint's shapes against the model; mmengine only warns, and does not change such parameters.

    Args:
        reinitialize: regular expressions of parameter names that may differ in shape when training starts with
            `load_from` (a class layer for other classes); they keep their initial values. Not when resuming.
        min_share: fraction of the numbers in the checkpoint that must fit the model, 0 ... 1; when resuming, all.

    Raises:
        ValueError: with the file, the parameters and both shapes, or the fraction of the file that fits.
    """

    priority = 'VERY_HIGH'

    def __init__(self, reinitialize: Sequence[str] = (), min_share: float = 0.5) -> None:
        if not 0 <= min_share <= 1:
            raise ValueError(f'min_share must lie in 0 ... 1, got {min_share}')
        self.reinitialize = tuple(reinitialize)
        self.min_share = min_share

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check, before the weights go into the model."""
        model = unwrapped(runner.model)
        weights = checkpoint.get('state_dict', checkpoint)
        if not runner._resume:
            self._drop_reinitialized(runner, model, weights)
        source = without_scheme(runner._load_from or find_latest_checkpoint(runner.work_dir) or '')
        min_share = 1.0 if runner._resume else self.min_share
        runner.logger.info(check_shapes(model, _without_wrapper(weights), source, min_share))

    def _drop_reinitialized(self, runner: Runner, model: nn.Module, weights: dict[str, Tensor]) -> None:
        expected = model.state_dict()
        for name in list(weights):
            plain = name.removeprefix('module.')
            differs = plain in expected and weights[name].shape != expected[plain].shape
            if differs and any(re.search(pattern, plain) for pattern in self.reinitialize):
                runner.logger.info(f'{plain} keeps its initial values: its shape in the checkpoint is another')
                del weights[name]


def _without_wrapper(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix('module.'): tensor for name, tensor in weights.items()}
