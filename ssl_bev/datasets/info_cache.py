"""Info files in a form that is mapped into memory instead of read: fast to open, and shared by all processes.

The first process that opens a large info file reads it and writes a cache into the cache folder of the user; others
that open it at the same time wait. A cache of an older state of the info file is written again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ssl_bev.files import replacing
from ssl_bev.files.plain_pickle import load_plain

from .info_table import InfoTable
from .serialised_list import SerialisedList

logger = logging.getLogger(__name__)
MIN_SIZE = 16 << 20  # bytes; smaller info files are read in less than a second
_FORMAT = 1
_PLAIN = ('metainfo', 'temporal_fault', 'scenes', 'cameras')
_ARRAYS = ('columns', 'images', 'image_ends')


def open_info_table(path: str | Path) -> InfoTable:
    """The table of an info file, mapped from the cache if the file is large, else read.

    Raises:
        FileNotFoundError, ValueError: see `ssl_bev.datasets.info_files.read_info_file`.
    """
    path = Path(path)
    if not path.is_file() or path.stat().st_size < MIN_SIZE:
        return InfoTable.read(path)
    cache, state = cache_path(path), _state(path)
    if (table := _load(cache, state)) is not None:
        return table
    try:
        with _locked(cache):
            if (table := _load(cache, state)) is not None:
                return table
            logger.info('reading %s, which is kept in %s for other processes', path, cache)
            table = InfoTable.read(path)
            _save(table, cache, state)
            return _load(cache, state) or table
    except OSError as error:
        logger.warning('%s is read whole by each process: %s; set SSL_BEV_CACHE to a folder with space', path, error)
        return table or InfoTable.read(path)


def cache_path(path: str | Path) -> Path:
    """The path of the cache of an info file: below `$SSL_BEV_CACHE`, or else the user's cache folder."""
    path = Path(path).resolve()
    folder = os.environ.get('SSL_BEV_CACHE') or Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache', 'ssl_bev')
    return Path(folder).expanduser() / 'infos' / f'{path.stem}-{hashlib.sha256(str(path).encode()).hexdigest()[:16]}'


def _state(path: Path) -> dict:
    state = path.stat()
    return dict(format=_FORMAT, file=str(path.resolve()), size=state.st_size, mtime_ns=state.st_mtime_ns)


@contextlib.contextmanager
def _locked(cache: Path) -> Iterator[None]:
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.with_name(f'{cache.name}.lock').open('a') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:  # some network file systems
            logger.warning('%s cannot be locked (%s): several processes may read the info file', cache, error)
        yield


def _save(table: InfoTable, cache: Path, state: dict) -> None:
    plain = pickle.dumps([getattr(table, name) for name in _PLAIN], protocol=4)
    texts = [np.frombuffer(text, np.uint8) for text in (json.dumps(state).encode(), plain)]
    with replacing(cache) as temporary, temporary.open('wb') as file:
        for array in (*texts, *(getattr(table, name) for name in _ARRAYS), table.frames.ends):
            np.save(file, array, allow_pickle=False)
        table.frames.buffer.tofile(file)


def _load(cache: Path, state: dict) -> InfoTable | None:
    """The table; None if there is no complete one of this state."""
    try:
        with cache.open('rb') as file:
            if json.loads(np.load(file, allow_pickle=False).tobytes()) != state:
                return None
            plain = load_plain(np.load(file, allow_pickle=False).tobytes())
            arrays = [np.load(file, allow_pickle=False) for _ in _ARRAYS]
            frames = SerialisedList.mapped(cache, ends=np.load(file, allow_pickle=False), offset=file.tell())
            return InfoTable(**dict(zip((*_PLAIN, *_ARRAYS), (*plain, *arrays), strict=True)), frames=frames)
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever a damaged file may raise
        logger.warning('%s is damaged (%s) and is written again', cache, error)
        return None
