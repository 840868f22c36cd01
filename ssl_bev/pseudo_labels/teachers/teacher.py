"""The interface of teachers, and how to build one. Libraries of a teacher are imported only when it is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

# Required and optional arguments of each kind.
KINDS = {
    'mmseg': ('config', 'checkpoint'),
    'huggingface': ('model',),
    'onnx': ('model', 'classes'),
    'oracle': ('root',),
}
OPTIONAL = {'onnx': ('config', 'settings')}


class Teacher(Protocol):
    """A 2-D segmentation model that makes pseudo-labels.

    Attributes:
        name: of the model: the stem of a config, a hub id, the name in a manifest.
        sha256: of the weights, or of what defines the labels.
        class_names: the classes in the order of their ids, at most 255.
        settings: other settings that the labels depend on, for the manifest.
    """

    name: str
    sha256: str
    class_names: list[str]
    settings: Mapping[str, object]

    def predict(
        self,
        images: Sequence[np.ndarray],  # each (H, W, 3) uint8, BGR
        paths: Sequence[str | Path] | None = None,
    ) -> list[tuple[np.ndarray, np.ndarray]]:  # each (H, W) uint8 class ids, (H, W) uint8 confidence
        """Label images, each at its own size; those of equal size are processed together.

        Args:
            images: they may differ in size.
            paths: their files, `{camera}/{stem}.jpg` at the end; only the oracle needs them.

        Returns:
            For each image its class ids and its confidence: the probability of that class, 255 = certain.
        """
        ...


def build_teacher(
    kind: str,
    *,
    config: str | Path | None = None,
    checkpoint: str | Path | None = None,
    model: str | Path | None = None,
    device: str = 'cpu',
    scale: float | tuple[int, int] | None = None,
    root: str | Path | None = None,
    autocast: str | None = None,
    classes: str | Path | None = None,
    settings: Mapping[str, object] | None = None,
) -> Teacher:
    """Build a teacher.

    Args:
        kind: 'mmseg', 'huggingface', 'onnx' or 'oracle'.
        config: mmseg: a config file; onnx: a YAML file of `OnnxSettings`, None: the one beside the model.
        checkpoint: mmseg: its checkpoint, a local file.
        model: huggingface: a local folder or a hub id; onnx: a file.
        device: of the network, in torch.
        scale: of the network input: a factor of the image size, or (width, height) to fit into with the same aspect
            ratio. None: as in the config of an mmseg model, otherwise the original size. Labels always have the size of
            the image.
        root: oracle: a synthetic dataset, or its folder of labels.
        autocast: 'bfloat16' or 'float16': mixed precision of torch.autocast; scores are always combined in float32. A
            CPU that would emulate it uses float32. None: float32.
        classes: onnx: a file with the class names, one per line.
        settings: onnx: changes to the settings of `config`.

    Raises:
        ValueError: an unknown kind, an argument that the kind needs or cannot use, a model without class names.
        FileNotFoundError: no such file or model.
        ModuleNotFoundError: the library of this kind is not installed.
    """
    if kind not in KINDS:
        raise ValueError(f'kind must be one of {", ".join(KINDS)}, got {kind!r}')
    arguments = dict(config=config, checkpoint=checkpoint, model=model, root=root, classes=classes, settings=settings)
    given = {name: value for name, value in arguments.items() if value is not None}
    needed, optional = KINDS[kind], OPTIONAL.get(kind, ())
    if not set(needed) <= set(given) <= {*needed, *optional}:
        also = f' (and perhaps {" and ".join(optional)})' if optional else ''
        raise ValueError(
            f'a teacher of kind {kind!r} takes {" and ".join(needed)}{also}, got {given or "none of them"}'
        )
    if kind == 'mmseg':
        from .mmseg import MMSegTeacher

        return MMSegTeacher(config, checkpoint, device=device, scale=scale, autocast=autocast)
    if kind == 'huggingface':
        from .huggingface import HuggingFaceTeacher

        return HuggingFaceTeacher(model, device=device, scale=scale, autocast=autocast)
    if kind == 'onnx':
        if autocast is not None:
            raise ValueError(f'an ONNX graph computes in the types that it was exported with, got autocast={autocast}')
        from .onnx import OnnxTeacher

        return OnnxTeacher(model, classes, config, settings, device=device, scale=scale)
    for name, value in dict(scale=scale, autocast=autocast).items():
        if value is not None:
            raise ValueError(f'the oracle looks labels up, it runs no network that {name} could change; got {value}')
    from .oracle import OracleTeacher

    return OracleTeacher(root)
