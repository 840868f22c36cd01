"""Load training checkpoints without running code from a pickle.

mmengine's checkpoints contain log buffers and numpy arrays beside the weights. torch's safe unpickler refuses them, so
mmengine alone can no longer resume. The unpickler of this loader also knows these types. mmengine's own loader and
`torch.load` do not change. With `safe:` before a path or URL, mmengine uses this loader wherever it takes the name of a
checkpoint, as in `load_from='safe:work_dirs/a/epoch_3.pth'` and in `init_cfg` of the type Pretrained.
"""

from __future__ import annotations

import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import barrier, is_main_process
from mmengine.runner.checkpoint import CheckpointLoader
from mmengine.utils import digit_version

from . import restricted_pickle
from .safe_pickle import stand_ins

SCHEME = 'safe:'
TAKES_STAND_INS = digit_version(torch.__version__) >= digit_version('2.7')
MapLocation = str | torch.device | Callable | None


def load_checkpoint_file(filename: str | os.PathLike, map_location: MapLocation = None) -> dict[str, Any]:
    """Load a local checkpoint: tensors, plain Python values, numpy numbers and mmengine's log buffers.

    Args:
        filename: the file; a leading ~ is the home directory.
        map_location: as in `torch.load`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no checkpoint, is damaged, or could run code.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    try:
        _check_archive(path)
        return _load(path, map_location)
    except (pickle.UnpicklingError, TypeError, LookupError, AttributeError) as error:
        reason = str(error).split('WeightsUnpickler error: ')[-1].split('\n')[0]
        raise ValueError(
            f'checkpoint {path} is refused: it is no pickle of weights, or holds objects that could run code '
            f'when loaded ({reason}); re-save it with tensors and plain values only'
        ) from error
    # Errors of the readers of archives and pickles on other bytes.
    except (RuntimeError, EOFError, OSError, ValueError, OverflowError, struct.error, zipfile.BadZipFile) as error:
        raise ValueError(f'checkpoint {path} is damaged or truncated: {error}') from error


@CheckpointLoader.register_scheme(prefixes=SCHEME)
def load_from_safe(filename: str, map_location: MapLocation = None) -> dict[str, Any]:
    """Called by mmengine for names that begin with `safe:`. A file from the web is downloaded once."""
    source = filename.removeprefix(SCHEME)
    if not source.startswith(('http://', 'https://')):
        return load_checkpoint_file(source, map_location)
    path = Path(torch.hub.get_dir()) / 'checkpoints' / source.rsplit('/', 1)[-1]
    if is_main_process() and not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(source, str(path))
    barrier()
    return load_checkpoint_file(path, map_location)


def with_safe_loading(source: str | None) -> str | None:
    """The name with which mmengine loads a checkpoint safely; names that are no files or URLs do not change."""
    if source is None or source.startswith(SCHEME):
        return source
    is_elsewhere = '://' in source and not source.startswith(('http://', 'https://'))
    return source if is_elsewhere else SCHEME + source


def without_scheme(source: str) -> str:
    """The path or URL of a checkpoint that may be named with `safe:`."""
    return source.removeprefix(SCHEME)


def _load(path: Path, map_location: MapLocation) -> dict[str, Any]:
    if TAKES_STAND_INS:
        with torch.serialization.safe_globals(stand_ins()):
            return torch.load(path, map_location=map_location, weights_only=True)
    return torch.load(path, map_location=map_location, weights_only=False, pickle_module=restricted_pickle)


def _check_archive(path: Path) -> None:
    """Refuse programs, and compare the checksums, which torch writes but does not check."""
    if tarfile.is_tarfile(path):
        raise pickle.UnpicklingError('a tar archive of torch 0.1')
    with path.open('rb') as file:
        is_archive = file.read(2) == b'PK'
    if is_archive:
        with torch.serialization._open_zipfile_reader(str(path)) as reader:  # what torch.load asks, too
            if torch.serialization._is_torchscript_zip(reader):
                raise pickle.UnpicklingError('a TorchScript program')
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f'the checksum of {damaged} is wrong')
