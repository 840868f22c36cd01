"""Settings of a network that are not in its ONNX file: its input, and the meaning of its output."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from numbers import Real
from pathlib import Path

from ssl_bev.files.rules import suggest
from ssl_bev.files.text_files import read_text, read_yaml

CHOICES = {
    'channels': ('rgb', 'bgr'),
    'values': ('logits', 'probabilities', 'ids'),
    'layout': ('nchw', 'nhwc'),
    'output_layout': ('nchw', 'nhwc', None),
    'resize': ('stretch', 'fit'),
    'max_value': (255, 1),
}


@dataclass(frozen=True)
class OnnxSettings:
    """Input and output of an ONNX network.

    Args:
        channels: 'rgb' or 'bgr', the order of the input.
        mean, std: the network gets (value - mean) / std; three numbers each, in that order.
        values: of the output: 'logits' or 'probabilities' of each class, or class 'ids'.
        max_value: value of white before mean and std: 255 or 1.
        layout: of the input, 'nchw' or 'nhwc'.
        output_layout: of the output; None: that of the input.
        input_size: (height, width) of the input; None: that of the graph, or else that of the image.
        resize: to the input size: 'stretch', or 'fit', which keeps the aspect ratio and pads on the right and below.
        size_divisor: an image at its own size is padded to a multiple of it.
        input, output: names; None: the only one.

    Raises:
        ValueError: any other value.
    """

    channels: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    values: str
    max_value: int = 255
    layout: str = 'nchw'
    output_layout: str | None = None
    input_size: tuple[int, int] | None = None
    resize: str = 'stretch'
    size_divisor: int = 1
    input: str | None = None
    output: str | None = None

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if isinstance(getattr(self, name), bool) or getattr(self, name) not in allowed:
                expected = ', '.join(str(value) for value in allowed if value is not None)
                raise ValueError(f'{name} must be one of {expected}, got {getattr(self, name)!r}')
        for name in ('mean', 'std'):
            object.__setattr__(self, name, tuple(map(float, _numbers(name, getattr(self, name), 3))))
        if min(self.std) <= 0:
            raise ValueError(f'std must be positive, got {list(self.std)}')
        if not all(0 <= value <= self.max_value for value in self.mean):
            raise ValueError(f'mean must lie in 0 ... max_value = {self.max_value}, got {list(self.mean)}')
        if self.max_value == 255 and 0 < max(self.mean) <= 1:
            raise ValueError(f'mean {list(self.mean)} is meant for values of 0 ... 1: add max_value: 1')
        if self.input_size is not None:
            height, width = (_whole('input_size', value) for value in _numbers('input_size', self.input_size, 2))
            object.__setattr__(self, 'input_size', (height, width))
        _whole('size_divisor', self.size_divisor)

    @classmethod
    def load(cls, path: str | Path, changes: Mapping[str, object] | None = None) -> OnnxSettings:
        """Read a YAML file of these settings, if it exists, and apply changes.

        Raises:
            ValueError: no keys and values, an unknown key (with its nearest), one that is missing, or a wrong value.
        """
        path = Path(path)
        content = (read_yaml(path, 'settings') or {}) if path.is_file() else {}
        if not isinstance(content, Mapping):
            raise ValueError(f'{path} must hold keys and values, got {type(content).__name__}')
        content = {**content, **(changes or {})}
        where = f'{path} or the settings given beside it' if changes else f'{path}'
        known = [field.name for field in fields(cls)]
        for key in content:
            if key not in known:
                raise ValueError(f'{where}: unknown key {key!r}; {suggest(key, known)}')
        missing = [field.name for field in fields(cls) if field.default is MISSING and field.name not in content]
        if missing:
            raise ValueError(
                f'{path} {"lacks" if path.is_file() else "does not exist, so nothing says"} {", ".join(missing)}: '
                'write there, or give as settings, how the network is fed and read'
            )
        try:
            return cls(**content)
        except ValueError as error:
            raise ValueError(f'{where}: {error}') from error


def read_class_names(path: str | Path) -> list[str]:
    """The classes of a file in the order of their ids: a YAML or JSON list, or a text with one name per line.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no names, a duplicate, or a value that YAML does not read as a string.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'classes {path} does not exist; it must name the classes, one a line, by their ids')
    if path.suffix in ('.yaml', '.yml', '.json'):
        names = read_yaml(path, 'classes') or {}
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f'classes {path} must hold a list of names (quote no, on, 1), got {str(names)[:100]}')
    else:
        names = [line.strip() for line in read_text(path, 'classes').splitlines() if line.strip()]
    if not names:
        raise ValueError(f'classes {path} names no class')
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f'classes {path} names {twice} twice; each id needs a name of its own')
    return names


def _numbers(name: str, values: object, count: int) -> Sequence[Real]:
    fine = isinstance(values, list | tuple) and len(values) == count
    if not fine or not all(isinstance(v, Real) and not isinstance(v, bool) and math.isfinite(v) for v in values):
        raise ValueError(f'{name} must be {count} numbers, got {values!r}')
    return values


def _whole(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f'{name} must be positive whole pixels, got {value!r}')
    return value
