"""The output of a module deep inside a model that is not ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ssl_bev.files.rules import suggest


def check_tap(model: nn.Module, name: str) -> None:
    """Check that a model has a module of this name, such as 'pts_neck'.

    Raises:
        ValueError: it has none, with the nearest names.
    """
    names = [known for known, _ in model.named_modules() if known]
    if name not in names:
        outer_first = sorted(names, key=lambda known: known.count('.'))
        raise ValueError(f'tap {name!r} is no module of {type(model).__name__}; {suggest(name, outer_first)}')


@contextmanager
def tapped(model: nn.Module, name: str) -> Iterator[list]:
    """Collect the outputs of a module while the model runs; the computation does not change."""
    outputs: list = []

    def keep(module: nn.Module, inputs: tuple, output: Any) -> None:
        outputs.append(output)

    handle = model.get_submodule(name).register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()


def tapped_features(outputs: list, name: str, level: int | str = 0) -> Tensor:  # (B, C, h, w)
    """The BEV features in the last output of a module.

    Args:
        outputs: from `tapped`.
        name: of the module, for error messages.
        level: index or key of the map, if the output is a list or dict of maps.

    Raises:
        ValueError: the module was not called, has no such level, or gives no map.
    """
    if not outputs:
        raise ValueError(f'tap {name!r}: the detector did not call this module as it ran; tap another one')
    features = outputs[-1]
    if isinstance(features, (list, tuple, Mapping)):
        levels = dict(features) if isinstance(features, Mapping) else dict(enumerate(features))
        if level not in levels:
            raise ValueError(f'tap {name!r} has no level {level!r}; its levels are {list(levels)}')
        features = levels[level]
    if not isinstance(features, Tensor) or features.dim() != 4:
        what = f'shape {tuple(features.shape)}' if isinstance(features, Tensor) else f'a {type(features).__name__}'
        raise ValueError(f'tap {name!r} must give BEV features (B, C, rows, columns), got {what}')
    return features
