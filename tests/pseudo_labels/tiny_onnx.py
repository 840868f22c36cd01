"""Tiny segmentation networks as ONNX files: one 1x1 convolution, in any layout and with any output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Class k likes channel k of the network's input.
CLASSES = ('road', 'curb', 'mark')
WEIGHTS = np.eye(3, dtype=np.float32)


def write_network(
    path: Path,
    values: str = 'logits',
    layout: str = 'nchw',
    output_layout: str | None = None,
    batch: int | str = 'batch',
    size: Sequence[int | str] = ('height', 'width'),
    dtype: int = TensorProto.FLOAT,
    weights: np.ndarray = WEIGHTS,
    bias: Sequence[float] | None = None,
    pool: int = 1,
    skip: bool = False,
    extra_output: bool = False,
    extra_input: bool = False,
) -> Path:
    """Write a network whose logits are `weights` (K, 3) times the pixel plus `bias`; `values` as in `OnnxSettings`.

    `pool` averages blocks of pixels; `skip` brings them back to the input's size and adds the logits, which fails where
    `pool` does not divide it.
    """
    count = len(weights)
    inputs = [_value('image', dtype, batch, 3, size, layout)]
    nodes = [helper.make_node('Cast', ['image'], ['cast'], to=TensorProto.FLOAT)]
    name = 'cast'

    def add(kind: str, *others: str, **attributes: object) -> None:
        nonlocal name
        nodes.append(helper.make_node(kind, [name, *others], [f'{kind}{len(nodes)}'], **attributes))
        name = nodes[-1].output[0]

    if layout == 'nhwc':
        add('Transpose', perm=[0, 3, 1, 2])
    add('Conv', 'weights', 'bias')
    if pool > 1:
        logits = name
        add('AveragePool', kernel_shape=[pool, pool], strides=[pool, pool])
        if skip:
            add('Resize', '', 'scales', mode='nearest')
            add('Add', logits)
    if values == 'probabilities':
        add('Sigmoid') if count == 1 else add('Softmax', axis=1)
    if values == 'ids':
        add('ArgMax', axis=1, keepdims=0)
    elif (output_layout or layout) == 'nhwc':
        add('Transpose', perm=[0, 2, 3, 1])
    nodes[-1].output[0] = 'labels'
    output_type = TensorProto.INT64 if values == 'ids' else TensorProto.FLOAT
    shape = ['batch', 'h', 'w'] if values == 'ids' else None
    output = _value('labels', output_type, batch, count, ('h', 'w'), output_layout or layout, shape)
    outputs = [output]
    if extra_output:
        nodes.append(helper.make_node('Identity', ['cast'], ['copy']))
        outputs.append(helper.make_tensor_value_info('copy', TensorProto.FLOAT, [None] * 4))
    if extra_input:
        inputs.append(helper.make_tensor_value_info('scale', TensorProto.FLOAT, [1]))
    constants = {
        'weights': weights.reshape(count, 3, 1, 1).astype(np.float32),
        'bias': np.array(bias if bias is not None else np.zeros(count), np.float32),
        'scales': np.array([1, 1, pool, pool], np.float32),
    }
    tensors = [numpy_helper.from_array(value, key) for key, value in constants.items() if key != 'scales' or skip]
    graph = helper.make_graph(nodes, 'tiny', inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.save(model, path)
    return path


def _value(
    name: str,
    dtype: int,
    batch: int | str,
    channels: int,
    size: Sequence[int | str],
    layout: str,
    shape: Sequence[int | str] | None = None,
) -> onnx.ValueInfoProto:
    shape = shape or ([batch, channels, *size] if layout == 'nchw' else [batch, *size, channels])
    return helper.make_tensor_value_info(name, dtype, shape)
