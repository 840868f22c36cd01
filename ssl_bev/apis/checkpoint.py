"""Weights from a checkpoint, without running anything that the file says."""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

SHOWN = 6
"""How many names an error lists before it only counts the rest."""


class _Inert:
    """Stands in for a class or function of a checkpoint that the weights don't need; it swallows what it is given."""

    def __new__(cls, *args: object) -> '_Inert':
        return super().__new__(cls)

    def __init__(self, *args: object) -> None:
        """Forget the arguments."""

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


def load_weights(path: str | Path, map_location: str = 'cpu') -> dict[str, Tensor]:
    """Read the parameters and buffers of a checkpoint of mmengine, or of a plain state dict.

    Training checkpoints also hold logs and optimizer state as pickled objects. Only tensors are wanted here, so the
    file goes through PyTorch's restricted unpickler and every other object becomes an inert stand-in: no code that a
    checkpoint names is looked up or called.

    Returns:
        Parameter name to tensor. Where the run kept a moving average (EMAHook), these are the averaged weights.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no checkpoint, or holds no weights.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no checkpoint at {path}')
    try:
        content = _load_inert(path, map_location)
    except UnpicklingError as error:
        raise ValueError(
            f'{path} is refused: it is damaged, names code that must not run, or was written by a training run and '
            'read with torch < 2.6, which cannot leave out what is no tensor'
        ) from error
    except (RuntimeError, ValueError, EOFError, KeyError) as error:
        raise ValueError(f'{path} cannot be read as a checkpoint; is it truncated?') from error
    state = content.get('state_dict', content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not any(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f'{path} holds no state_dict of tensors; give a checkpoint that a training run wrote')
    weights = OrderedDict((name.removeprefix('module.'), value) for name, value in state.items())
    return OrderedDict((name, value) for name, value in weights.items() if isinstance(value, Tensor))


def load_weights_strictly(model: nn.Module, weights: Mapping[str, Tensor], source: str | Path) -> None:
    """Put the weights into the model, all of them or none.

    Args:
        model: changed in place.
        weights: parameter name to tensor.
        source: where the weights come from, for the error.

    Raises:
        ValueError: A parameter is missing, left over or of another shape; the error names them with their shapes.
    """
    wanted = model.state_dict()
    problems = _listed(
        'differ in shape',
        [
            f'{name}: model {tuple(wanted[name].shape)}, checkpoint {tuple(weights[name].shape)}'
            for name in wanted
            if name in weights and wanted[name].shape != weights[name].shape
        ],
    )
    optional = {name for name in wanted if name.endswith('num_batches_tracked')}
    problems += _listed(
        'are missing in the checkpoint',
        [f'{name} {tuple(wanted[name].shape)}' for name in wanted if name not in weights and name not in optional],
    )
    problems += _listed(
        'of the checkpoint are unknown to the model',
        [f'{name} {tuple(weights[name].shape)}' for name in weights if name not in wanted],
    )
    if problems:
        raise ValueError(
            f'the checkpoint {source} does not fit the model; use the config that it was trained with.\n'
            + '\n'.join(problems)
        )
    model.load_state_dict(weights, strict=False)  # names and shapes were compared above


def _listed(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    rest = [f'    and {len(names) - SHOWN} more'] if len(names) > SHOWN else []
    return [f'  {len(names)} parameters {what}:'] + [f'    {name}' for name in names[:SHOWN]] + rest


def _load_inert(path: Path, map_location: str) -> object:
    """Read the file with a stand-in for each object that PyTorch does not know to be harmless."""
    if not hasattr(torch.serialization, 'get_unsafe_globals_in_checkpoint'):
        return torch.load(path, map_location=map_location, weights_only=True)
    names = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    stand_ins = [(type(f'Inert{number}', (_Inert,), {}), name) for number, name in enumerate(names)]
    with torch.serialization.safe_globals(stand_ins):
        return torch.load(path, map_location=map_location, weights_only=True)
