"""Info files are read without running anything, those of stock mmdetection3d included."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import mmengine
import numpy as np
import pytest

from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.files import read_plain_pickle
from ssl_bev.pseudo_labels.image_list import list_images

CONTENT = dict(
    metainfo=OrderedDict(version='v1.0', classes={'a', 'b'}),
    data_list=[
        dict(
            token='ä', timestamp=1.5e15, prev=None, flag=True, raw=b'\xff\x00', matrix=np.eye(4),
            names=np.array(['car', 'bus']), score=np.float32(0.5), count=np.int64(3), columns=np.eye(3)[:, :2]
        ),
    ],
)  # fmt: skip


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


def same(one: Any, other: Any) -> bool:
    if isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in other)
    if isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return np.array_equal(one, other) and np.asarray(one).dtype == np.asarray(other).dtype


@pytest.mark.parametrize('protocol', range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_come_back(tmp_path: Path, protocol: int) -> None:
    """Protocol 2 is that of `mmengine.dump`, which mmdetection3d writes its info files with."""
    path = tmp_path / 'infos.pkl'
    mmengine.dump(CONTENT, path, protocol=protocol)
    assert same(read_plain_pickle(path, 'file', 'restore it'), CONTENT)


MARKER = 'executed'


@pytest.mark.parametrize(
    'payload',
    [
        Calls(os.system, f'touch {MARKER}'),
        Calls(eval, f'open({MARKER!r}, "w")'),
        Calls(np.load, MARKER),
        Calls(np.memmap, MARKER, 'u1', 'w+', 0, (1,)),
        Calls(getattr, 'text', 'format'),
        Calls(Path(MARKER).touch),
        np.array([Calls(os.system, f'touch {MARKER}')], dtype=object),
        np.zeros(1, [('field', object)]),
        Path(MARKER),
    ],
    ids=['system', 'eval', 'load', 'memmap', 'getattr', 'method', 'objects', 'fields', 'path'],
)
def test_a_crafted_info_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, payload: Any) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'crafted.pkl'
    path.write_bytes(pickle.dumps(dict(metainfo={}, data_list=[dict(token='a', images=payload)])))
    for read in (read_info_file, lambda path: list_images([path], tmp_path)):
        with pytest.raises(ValueError, match=r'crafted\.pkl is no complete pickle of plain data .*make it with'):
            read(path)
    assert not (tmp_path / MARKER).exists()
    if isinstance(payload, Calls) and payload.call[0] is os.system:  # what it is about
        pickle.loads(path.read_bytes())
        assert (tmp_path / MARKER).exists()


def test_any_bytes_give_an_error_with_the_name(tmp_path: Path) -> None:
    whole = pickle.dumps(CONTENT)
    random = np.random.default_rng(0)
    path = tmp_path / 'any.pkl'
    for size in [0, 1, 10, *random.integers(1, len(whole), 30)]:
        damaged = bytearray(whole)
        damaged[random.integers(len(whole))] ^= 1 << random.integers(8)
        for content in (whole[:size], random.bytes(size), bytes(damaged)):
            path.write_bytes(content)
            try:
                read_plain_pickle(path, 'file', 'restore it')
            except ValueError as error:
                assert f'file {path} is no complete pickle of plain data' in str(error)
