"""The weights of a folder in the layout of the `transformers` library."""

from __future__ import annotations

from pathlib import Path

from ssl_bev.files.rules import Key, mapping, text
from ssl_bev.files.text_files import read_manifest_file

# In the order of preference of `transformers`; an index lists the parts of split weights.
SAFETENSORS = ('model.safetensors', 'model.safetensors.index.json')
PICKLES = ('pytorch_model.bin', 'pytorch_model.bin.index.json')
_KEYS = {'weight_map': Key(mapping(text, 'parameter', text))}


def weight_files(folder: Path) -> list[Path]:
    """The files that `from_pretrained` loads weights from.

    Raises:
        FileNotFoundError: no weights, or a part of them is missing.
        ValueError: an invalid index.
    """
    for name in (*SAFETENSORS, *PICKLES):
        path = folder / name
        if not path.is_file():
            continue
        if not name.endswith('.json'):
            return [path]
        index = read_manifest_file(path, 'index of weights', 'download the model again', _KEYS)
        parts = sorted({folder / part for part in index['weight_map'].values()})
        missing = [str(part) for part in parts if not part.is_file()]
        if missing:
            raise FileNotFoundError(f'{path} names weights that are not there: {", ".join(missing)}')
        return parts
    raise FileNotFoundError(f'no weights in {folder}: it needs one of {", ".join((*SAFETENSORS, *PICKLES))}')
