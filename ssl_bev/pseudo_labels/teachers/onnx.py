"""Any segmentation network in an ONNX file as a teacher, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ssl_bev.files import sha256

from .class_maps import ClassMaps, IdMaps
from .decisions import by_logits, by_scores
from .images import Scale, scaled_size
from .network_teacher import NetworkTeacher, content_size, missing_library
from .onnx_graph import OnnxGraph, class_values
from .onnx_settings import OnnxSettings, read_class_names

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CPU, CUDA = 'CPUExecutionProvider', 'CUDAExecutionProvider'


class OnnxTeacher(NetworkTeacher):
    """A segmentation network in an ONNX file.

    Args:
        model: the file. Weights in files beside it ({name}.data, {name}_data) are part of the hash of the teacher.
        classes: a file with the class names, see `read_class_names`.
        config: a YAML file of `OnnxSettings`; None: the name of the model with .yaml, if there is one.
        settings: changes to them.
        device: 'cpu', or 'cuda' with an optional index, for the provider of onnxruntime.
        scale: see `build_teacher`; only for a graph that takes images of any size.

    Raises:
        ModuleNotFoundError: onnxruntime is not installed.
        FileNotFoundError: no such model, config or file of classes.
        ValueError: no ONNX file, a graph that does not match settings or classes, a device that onnxruntime cannot use.
    """

    def __init__(
        self,
        model: str | Path,
        classes: str | Path,
        config: str | Path | None = None,
        settings: Mapping[str, object] | None = None,
        device: str = 'cpu',
        scale: Scale = None,
    ) -> None:
        model = Path(model).expanduser()
        if not model.is_file():
            raise FileNotFoundError(f'model {model} does not exist')
        if config is not None and not Path(config).is_file():
            raise FileNotFoundError(f'config {config} does not exist')
        class_names = read_class_names(classes)
        self._settings = OnnxSettings.load(config or model.with_suffix('.yaml'), settings)
        self._session = _open(model, device)
        weights = [model, *sorted(model.parent.glob(f'{model.name}[._]data'))]
        maps_device = torch.device(device if torch.cuda.is_available() else 'cpu')
        super().__init__(model.stem, sha256(weights), class_names, maps_device, scale)
        try:
            self._graph = OnnxGraph.of(self._session, self._settings, len(class_names))
        except ValueError as error:
            raise ValueError(f'model {model}: {error}') from error
        if scale is not None and self._graph.size is not None:
            raise ValueError(f'model {model} always sees (height, width) = {self._graph.size}, got scale {scale}')
        self._maps_device = maps_device
        self.settings = dict(onnx=vars(self._settings), provider=self._session.get_providers()[0])

    def network_size(self, size: tuple[int, int]) -> tuple[int, int]:
        if self._graph.size is None:
            return super().network_size(size)
        if self._settings.resize == 'fit':
            return scaled_size(size, self._graph.size[::-1])
        return self._graph.size

    def run_network(self, images: np.ndarray) -> ClassMaps | IdMaps:
        inputs = self._inputs(images)
        step = self._graph.batch_size or len(inputs)
        values = np.concatenate(
            [self._run(inputs[start : start + step], step) for start in range(0, len(inputs), step)]
        )
        padded = inputs.shape[2:] if self._settings.layout == 'nchw' else inputs.shape[1:3]
        content = content_size(values.shape[-2:], padded, images.shape[1:3])
        if self._settings.values == 'ids':
            return IdMaps(values, content)
        decide = by_logits if self._settings.values == 'logits' else by_scores
        return ClassMaps(torch.from_numpy(values).to(self._maps_device), content, decide)

    def _inputs(self, images: np.ndarray) -> np.ndarray:  # (B, 3, H, W) or (B, H, W, 3), of the graph's type
        settings = self._settings
        if settings.channels == 'rgb':
            images = images[..., ::-1]
        if self._graph.dtype is not np.uint8:
            scaled = images.astype(np.float32) * np.float32(settings.max_value / 255)
            images = ((scaled - np.float32(settings.mean)) / np.float32(settings.std)).astype(self._graph.dtype)
        height, width = images.shape[1:3]
        divisor = settings.size_divisor
        below, right = (
            (self._graph.size[0] - height, self._graph.size[1] - width)
            if self._graph.size
            else (-height % divisor, -width % divisor)
        )
        images = np.pad(images, ((0, 0), (0, below), (0, right), (0, 0)))
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2) if settings.layout == 'nchw' else images)

    def _run(self, inputs: np.ndarray, batch_size: int) -> np.ndarray:
        """The output of the network for at most `batch_size` images, see `class_values`."""
        missing = batch_size - len(inputs)
        # A graph with a fixed batch size needs a full batch.
        batch = np.concatenate([inputs, np.repeat(inputs[-1:], missing, 0)]) if missing else inputs
        try:
            (output,) = self._session.run([self._graph.output], {self._graph.input: batch})
        except Exception as error:  # onnxruntime's errors have no base of their own
            raise ValueError(
                f'onnxruntime cannot run the graph on {list(batch.shape)}, give input_size or size_divisor if it is '
                f'the size that it cannot take: {_first_line(error)}'
            ) from error
        values = class_values(output, self._graph.output, self._settings, len(batch), len(self.class_names))
        return values[: len(inputs)]


def _open(model: Path, device: str) -> InferenceSession:
    """A session on the requested device; onnxruntime alone falls back to the CPU."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise missing_library('onnx', 'onnx', error) from error
    kind, _, index = device.partition(':')
    if kind not in ('cpu', 'cuda') or not (index or '0').isdigit():
        raise ValueError(f'device must be cpu, cuda or cuda:N, got {device!r}')
    wanted = CUDA if kind == 'cuda' else CPU
    if wanted not in onnxruntime.get_available_providers():
        raise ValueError(f'device {device!r} needs {wanted}: pip install onnxruntime-gpu instead of onnxruntime')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    providers = [(CUDA, {'device_id': int(index or 0)}), CPU] if wanted == CUDA else [CPU]
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=providers)
    except Exception as error:  # onnxruntime's errors have no base of their own
        raise ValueError(f'model {model}: onnxruntime cannot open it: {_first_line(error)}') from error
    if session.get_providers()[0] != wanted:
        raise ValueError(
            f'device {device!r}: onnxruntime could not start {wanted} (see its message above) and would take the CPU; '
            'install the CUDA and cuDNN that it wants, or say --device cpu'
        )
    return session


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
