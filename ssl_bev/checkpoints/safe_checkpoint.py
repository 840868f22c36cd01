"""Load training checkpoints without running what a pickle might ask for.

mmengine's checkpoints hold log buffers and numpy arrays next to the weights, which torch's safe unpickler refuses, so
that stock mmengine can no longer resume. Importing this module replaces mmengine's loader for local files, and nothing
else, by one whose unpickler also knows these types. `torch.load` behaves as before for everybody else.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.runner.checkpoint import CheckpointLoader

from .safe_pickle import stand_ins


def load_checkpoint_file(
    filename: str | os.PathLike, map_location: str | torch.device | Callable | None = None
) -> dict[str, Any]:
    """Load a local checkpoint: tensors, plain Python values, numpy numbers and mmengine's log buffers.

    Args:
        filename: the file; a leading ~ is the home directory.
        map_location: as in `torch.load`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no checkpoint, is damaged, or asks for something that might run code.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    with torch.serialization.safe_globals(stand_ins()):
        try:
            return torch.load(path, map_location=map_location, weights_only=True)
        except (pickle.UnpicklingError, TypeError, KeyError, AttributeError) as error:
            reason = str(error).split('WeightsUnpickler error: ')[-1].split('\n')[0]
            raise ValueError(
                f'checkpoint {path} is refused: it is no pickle of weights, or holds objects that could run code '
                f'when loaded ({reason}); re-save it with tensors and plain values only'
            ) from error
        except (RuntimeError, EOFError) as error:
            raise ValueError(f'checkpoint {path} is damaged or truncated: {error}') from error


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: str | torch.device | Callable | None = None) -> dict[str, Any]:
    """mmengine's loader for local files, made safe and able to resume; see `load_checkpoint_file`."""
    return load_checkpoint_file(filename, map_location)
