"""Input and output of an ONNX graph, checked against the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ssl_bev.files.rules import suggest

from .onnx_settings import OnnxSettings

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, NodeArg

Size = tuple[int, int]
_TYPES = {
    'tensor(float)': np.float32,
    'tensor(float16)': np.float16,
    'tensor(double)': np.float64,
    'tensor(uint8)': np.uint8,
}
# Indices of height, width and channels in the shape of an input.
_HEIGHT_WIDTH = {'nchw': (2, 3), 'nhwc': (1, 2)}
CHANNEL_AXIS = {'nchw': 1, 'nhwc': 3}
# Rounding in half precision may exceed 0 ... 1 by this much.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class OnnxGraph:
    """The parts of a graph that are used.

    Attributes:
        input, output: their names.
        dtype: of the input.
        batch_size: its fixed batch size; None: any.
        size: its fixed (height, width); None: any.
    """

    input: str
    output: str
    dtype: type
    batch_size: int | None
    size: Size | None

    @classmethod
    def of(cls, session: InferenceSession, settings: OnnxSettings, num_classes: int) -> OnnxGraph:
        """The graph of a session.

        Raises:
            ValueError: a graph that contradicts the settings or the number of classes.
        """
        image = _only('input', session.get_inputs(), settings.input)
        if len(session.get_inputs()) > 1:
            others = [entry.name for entry in session.get_inputs() if entry.name != image.name]
            raise ValueError(f'the graph wants the inputs {others} too; a teacher is given images alone')
        output = _only('output', session.get_outputs(), settings.output)
        shape = _shape(image, 4)
        channels = shape[CHANNEL_AXIS[settings.layout]]
        other = next(layout for layout in CHANNEL_AXIS if layout != settings.layout)
        is_other = shape[CHANNEL_AXIS[other]] == 3
        if channels != 3 and (channels is not None or is_other):
            raise ValueError(
                f'input {image.name!r} is {image.shape}: with layout {settings.layout} it has '
                f'{channels or "any number of"} channels, an image has 3'
                + (f'; did you mean layout {other}?' if is_other else '')
            )
        if image.type not in _TYPES:
            raise ValueError(f'input {image.name!r} is {image.type}, must be one of {", ".join(_TYPES)}')
        dtype = _TYPES[image.type]
        if dtype is np.uint8 and (settings.max_value, *settings.mean, *settings.std) != (255, 0, 0, 0, 1, 1, 1):
            raise ValueError(
                f'input {image.name!r} is {image.type}, which takes images as they are: max_value 255, mean 0, std 1, '
                f'got {settings.max_value}, {list(settings.mean)}, {list(settings.std)}'
            )
        if output.shape:
            _check_output_shape(output, settings, num_classes)
        fixed = tuple(shape[axis] for axis in _HEIGHT_WIDTH[settings.layout])
        return cls(image.name, output.name, dtype, shape[0], _input_size(image.name, fixed, settings))


def class_values(
    output: np.ndarray, name: str, settings: OnnxSettings, batch_size: int, num_classes: int
) -> np.ndarray:  # (B, h, w) uint8 ids, or (B, K, h, w) float32 logits or probabilities
    """The checked output of a graph; a single channel becomes two, of class 0 and class 1.

    Raises:
        ValueError: another shape, or values that contradict the settings.
    """
    where = f'output {name!r}'
    is_ids = settings.values == 'ids'
    channel_axis = CHANNEL_AXIS[settings.output_layout or settings.layout]
    if is_ids and output.ndim == 4 and output.shape[channel_axis] == 1:
        output = output.squeeze(channel_axis)
    if output.ndim != (3 if is_ids else 4) or output.shape[0] != batch_size:
        raise ValueError(
            f'{where} is {list(output.shape)} for {batch_size} images, which is no map of {settings.values}'
        )
    if not np.isfinite(output).all():
        raise ValueError(f'{where} holds values that are not finite')
    if is_ids:
        return _checked_ids(output, where, num_classes)
    values = np.moveaxis(output, channel_axis, 1).astype(np.float32, copy=False)
    _check_class_count(where, values.shape[1], num_classes)
    low, high = float(values.min()), float(values.max())
    looks_like_shares = low >= -_TOLERANCE and high <= 1 + _TOLERANCE
    if settings.values == 'probabilities':
        if not looks_like_shares:
            raise ValueError(f'{where} holds {low:.4g} ... {high:.4g}, which are no probabilities: values: logits?')
        values = values.clip(0, 1)
        return values if values.shape[1] > 1 else np.concatenate([1 - values, values], 1)
    if values.shape[1] == 1:
        return np.concatenate([np.zeros_like(values), values], 1)
    if looks_like_shares and np.abs(values.sum(1) - 1).max() <= _TOLERANCE:
        raise ValueError(
            f'{where} holds values of 0 ... 1 with the sum 1 everywhere: values: probabilities, not logits'
        )
    return values


def _only(kind: str, entries: Sequence[NodeArg], name: str | None) -> NodeArg:
    names = [entry.name for entry in entries]
    if name is None and len(entries) > 1:
        raise ValueError(f'the graph has the {kind}s {names}; say which one, {kind}: {names[0]}')
    if name is not None and name not in names:
        raise ValueError(f'the graph has no {kind} {name!r}; {suggest(name, names)}')
    return entries[names.index(name) if name is not None else 0]


def _shape(entry: NodeArg, *ranks: int) -> tuple[int | None, ...]:
    """The shape of an input or output; None for free dimensions."""
    if len(entry.shape) not in ranks:
        expected = ' or '.join(map(str, ranks))
        raise ValueError(f'{entry.name!r} of the graph has the shape {entry.shape}; it must have {expected} axes')
    return tuple(length if isinstance(length, int) and length > 0 else None for length in entry.shape)


def _check_output_shape(output: NodeArg, settings: OnnxSettings, num_classes: int) -> None:
    if settings.values == 'ids':
        _shape(output, 3, 4)
        return
    channels = _shape(output, 4)[CHANNEL_AXIS[settings.output_layout or settings.layout]]
    if channels is not None:
        _check_class_count(f'output {output.name!r} {output.shape}', channels, num_classes)


def _check_class_count(where: str, channels: int, num_classes: int) -> None:
    if channels != num_classes and (channels, num_classes) != (1, 2):
        raise ValueError(
            f'{where} has {channels} channels, but {num_classes} classes are named; name all of them by their ids, or '
            'correct output or output_layout'
        )


def _checked_ids(output: np.ndarray, where: str, num_classes: int) -> np.ndarray:  # (B, h, w) uint8
    found = np.unique(output)
    strangers = [value for value in found.tolist() if value not in range(num_classes) and value != 255]
    if strangers:
        raise ValueError(
            f'{where} holds {strangers[:5]}, which are no ids of the {num_classes} classes that are named (0 ... '
            f'{num_classes - 1}, or 255 = ignore)'
        )
    return output.astype(np.uint8)


def _input_size(name: str, fixed: tuple[int | None, int | None], settings: OnnxSettings) -> Size | None:
    wanted = settings.input_size
    if wanted is None and fixed.count(None) == 1:
        raise ValueError(f'input {name!r} fixes one side alone, (height, width) = {fixed}: give input_size')
    if wanted is not None and any(ours not in (theirs, None) for ours, theirs in zip(fixed, wanted, strict=True)):
        raise ValueError(f'input {name!r} takes (height, width) = {fixed} alone, input_size is {wanted}')
    size = wanted or (None if None in fixed else fixed)
    if size is None and settings.resize == 'fit':
        raise ValueError(f'input {name!r} takes any size, resize: fit needs an input_size')
    if size is not None and settings.size_divisor > 1:
        raise ValueError(f'input {name!r} is always (height, width) = {size}; size_divisor is for images at any size')
    return size
