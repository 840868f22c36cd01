"""Files of `LabelRaster`, in two forms.

An .npz with its attributes as arrays: layers, classes, x_min, y_min, resolution, and lines if there are any. Or a
.json for a picture with one value per pixel, beside it:

    {"picture": "town.png", "x_min": 0, "y_min": 0, "resolution": 0.1, "first_row": "highest_y", "lines": ["paint"],
     "values": {"0": null, "1": [], "2": ["road"], "3": ["road", "paint"]}}      null: unknown
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ssl_bev.files import read_ids, write_npz
from ssl_bev.files.manifest_folder import NPZ_ERRORS
from ssl_bev.files.rules import Fault, Key, list_of, mapping, name, number, one_of, path, record
from ssl_bev.files.text_files import read_json
from ssl_bev.targets import IGNORE

from .label_raster import LabelRaster


def _layers(value: np.ndarray) -> np.ndarray:
    if value.ndim != 3 or value.dtype != np.uint8 or not value.size:
        raise Fault('must be (classes, rows, columns) uint8', (value.shape, str(value.dtype)))
    if strangers := set(np.unique(value).tolist()) - {0, 1, IGNORE}:
        raise Fault('must be 0, 1 or 255 = unknown', sorted(strangers))
    return value


def _pixel(value: str) -> int:
    if not value.isdecimal() or int(value) > 255:
        raise Fault('must be a value of a pixel, 0 to 255', value)
    return int(value)


_names = list_of(name, 'names')
_SHARED = {
    'x_min': Key(number()),
    'y_min': Key(number()),
    'resolution': Key(number(1e-3, 100, 'number of metres')),
    'lines': Key(_names, []),
}
_ARRAYS = record({'layers': Key(_layers), 'classes': Key(_names), **_SHARED})
_SIDECAR = record(
    {
        'picture': Key(path),
        'first_row': Key(one_of(('lowest_y', 'highest_y'))),
        'values': Key(mapping(lambda value: None if value is None else _names(value), 'value of a pixel', _pixel)),
        **_SHARED,
    }
)


def read_label_raster(file: str | Path) -> LabelRaster:
    """Read a raster.

    Raises:
        FileNotFoundError: no such file, or no picture beside it.
        ValueError: a file in another format.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f'label_raster: no file {file}')
    try:
        if file.suffix not in ('.npz', '.json'):
            raise Fault('must be an .npz, or the .json of a picture')
        content = _ARRAYS(_read_arrays(file) if file.suffix == '.npz' else _read_picture(file))
        classes, layers = content['classes'], content['layers']
        if len(set(classes)) != len(layers):
            raise Fault(f'must be {len(layers)} names, one for each layer', classes, keys=['classes'])
        if strangers := set(content['lines']) - set(classes):
            raise Fault(f'must be among the classes {classes}', sorted(strangers), keys=['lines'])
    except Fault as fault:
        raise ValueError(f'label raster {file}: {fault}') from None
    return LabelRaster(**content | {'classes': tuple(classes), 'lines': frozenset(content['lines'])})


def write_label_raster(file: str | Path, raster: LabelRaster) -> None:
    """Write a raster as an .npz, completely or not at all."""
    write_npz(file, **raster._asdict() | {'lines': np.array(sorted(raster.lines), dtype=str)})


def _read_arrays(file: Path) -> dict:
    try:
        with np.load(file) as content:
            return {key: value if key == 'layers' else value.tolist() for key, value in content.items()}
    except NPZ_ERRORS as error:
        raise Fault(f'is no .npz of plain arrays ({error})') from None


def _read_picture(file: Path) -> dict:
    content = _SIDECAR(read_json(file, 'label raster'))
    values = read_ids(file.parent / content.pop('picture'), f'of {file}')
    if content.pop('first_row') == 'highest_y':
        values = values[::-1]
    meanings = content.pop('values')
    if strangers := set(np.unique(values).tolist()) - set(meanings):
        raise Fault('must say what each value of the picture means', sorted(strangers), 'null: unknown', ['values'])
    classes = list(dict.fromkeys(name for names in meanings.values() for name in names or ()))
    table = np.zeros((len(classes), 256), np.uint8)
    for value, names in meanings.items():
        table[:, value] = IGNORE if names is None else [name in names for name in classes]
    return content | {'layers': table[:, values], 'classes': classes}
