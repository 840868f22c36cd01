"""Label protocols: classes of a benchmark, its grid, and its line widths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from ssl_bev.geometry import BEVGrid

from .map_geometry import ClassSpec


@dataclass(frozen=True)
class LabelProtocol:
    """The BEV labels of a protocol.

    Args:
        label_dir: name of their folder beside the info files.
        grid: their cells.
        classes: of the labels; one class may occur twice, in two line widths.
    """

    label_dir: str
    grid: BEVGrid
    classes: tuple[ClassSpec, ...]

    @classmethod
    def read(cls, name: str | Path, folder: str | Path = '') -> LabelProtocol:
        """Read a config file that has a dict `protocol` with label_dir, grid and label_classes.

        Args:
            name: a file NAME.py, or NAME of one in `folder`.
            folder: of the protocols that have a name.

        Raises:
            FileNotFoundError: no such file.
            ValueError: no such dict, a missing or an unknown key, classes of the same name, or a bad value.
        """
        path = Path(name) if Path(name).suffix == '.py' else Path(folder) / f'{name}.py'
        if not path.is_file():
            there = ', '.join(sorted(file.stem for file in path.parent.glob('*.py')))
            raise FileNotFoundError(f'protocol not found: {path}; in that folder: {there or "none"}')
        content = Config.fromfile(path).get('protocol')
        needed = ('label_dir', 'grid', 'label_classes')
        missing = [key for key in needed if key not in content] if isinstance(content, Mapping) else needed
        if missing:
            raise ValueError(f'protocol {path} needs a dict `protocol` with {", ".join(needed)}; missing: {missing}')
        try:
            grid = BEVGrid(**content['grid'])
            classes = tuple(ClassSpec(**spec) for spec in content['label_classes'])
        except (TypeError, ValueError) as error:
            raise ValueError(f'protocol {path}: {error}') from error
        names = [spec.name for spec in classes]
        if len(set(names)) < len(names):
            raise ValueError(f'protocol {path}: names of label_classes must differ, got {names}')
        return cls(content['label_dir'], grid, classes)
