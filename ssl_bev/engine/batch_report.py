"""A report on a batch, to find the sample that broke a run: tokens, paths, and ranges of all arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor


def batch_samples(batch: Mapping | None) -> list[dict[str, Any]]:
    """The strings and integers in the metainfo of each sample: tokens, paths, indices."""
    samples = (batch or {}).get('data_samples') or ()
    return [
        {key: value for key, value in sample.metainfo.items() if _is_text(value)}
        for sample in samples
        if isinstance(sample, BaseDataElement)
    ]


def batch_ranges(batch: Any) -> dict[str, dict[str, Any]]:
    """Shape, type, lowest and highest finite value, and the number of values that are not finite, by place."""
    return {path: _range(values) for path, values in _arrays(batch, '')}


def finite_json(value: Any) -> Any:
    """Numbers that JSON cannot express become strings."""
    if isinstance(value, Mapping):
        return {str(key): finite_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite_json(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _is_text(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, str) for item in value)
    return isinstance(value, (str, int))


def _arrays(value: Any, path: str) -> Iterator[tuple[str, Tensor | np.ndarray]]:
    value = getattr(value, 'tensor', value)  # boxes and points of mmdet3d
    if isinstance(value, Tensor):
        yield path, value.detach()
    elif isinstance(value, np.ndarray) and value.dtype.kind in 'biuf':
        yield path, value
    elif isinstance(value, (Mapping, BaseDataElement)):
        for key, item in value.items():
            yield from _arrays(item, f'{path}.{key}' if path else key)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _arrays(item, f'{path}[{index}]')


def _range(values: Tensor | np.ndarray) -> dict[str, Any]:
    is_finite: Any = (
        torch.isfinite if isinstance(values, Tensor) else np.isfinite
    )  # torch reads not all arrays of numpy
    finite = values[is_finite(values)]
    size, count = math.prod(values.shape), math.prod(finite.shape)
    low, high = (finite.min().item(), finite.max().item()) if count else (None, None)
    kind = str(values.dtype).removeprefix('torch.')
    return dict(shape=list(values.shape), dtype=kind, min=low, max=high, not_finite=size - count)
