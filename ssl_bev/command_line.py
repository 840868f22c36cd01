"""What the command lines of all tools share: the form of the help, common arguments, and errors of bad input."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def _key_value(text: str) -> str:
    key, equals, _ = text.partition('=')
    if not (key and equals):
        raise argparse.ArgumentTypeError(f'must be KEY=VALUE, got {text!r}')
    return text


COMMON = {
    '--infos': dict(nargs='+', metavar='PKL', help='info files of tools/create_data.py'),
    '--data-root': dict(metavar='DIR', help='folder that image paths are relative to'),
    '--pseudo-labels': dict(metavar='DIR', help='folder of pseudo-labels'),
    '--label-map': dict(metavar='NAME', help='name or file of the label map'),
    '--protocol': dict(
        metavar='NAME',
        help='classes, grid and line widths of configs/_base_/protocols/NAME.py, or a file; default: base classes',
    ),
    '--roads': dict(metavar='DIR', help='folder of tools/estimate_road.py; by default the road is flat'),
    '--out': dict(metavar='DIR', help='folder for the results, created if missing'),
    '--device': dict(default='auto', metavar='NAME', help='cpu, cuda, cuda:1 …; auto: a GPU if there is one'),
    '--workers': dict(type=int, default=1, metavar='N', help='processes (default: %(default)s)'),
    '--quiet': dict(action='store_true', help='no progress bar'),
    '--cfg-options': dict(nargs='+', type=_key_value, metavar='KEY=VALUE', help='replace values of the config'),
}


class CommandParser(argparse.ArgumentParser):
    """A parser whose help starts with the docstring of the tool: its purpose and example commands."""

    def __init__(self, purpose: str) -> None:
        super().__init__(
            usage=argparse.SUPPRESS, description=purpose, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def add_common(self, name: str, *old_names: str, **changes: object) -> None:
        """Add an argument of `COMMON`. `changes` replace its settings; `old_names` stay valid, but hidden."""
        action = self.add_argument(name, **COMMON[name] | changes)
        self._option_string_actions.update(dict.fromkeys(old_names, action))

    def error(self, message: str) -> None:
        self.exit(1, f'error: {message}; {self.prog} --help says more\n')


@contextmanager
def input_errors(*others: type[Exception]) -> Iterator[None]:
    """End with `error: …` and exit code 1 if a file or a value is wrong. All other errors keep their traceback.

    An interrupt ends with exit code 130.

    Args:
        others: more exceptions that need no traceback.
    """
    try:
        yield
    except (OSError, ValueError, ModuleNotFoundError, *others) as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        sys.exit(130)


def find_device(name: str = 'auto') -> str:
    """The device that `--device` names; 'auto' is the GPU of this process, by its rank, or else the CPU.

    Raises:
        ValueError: torch knows no such device, or this machine has none.
    """
    import torch

    if name == 'auto':
        return f'cuda:{os.environ.get("LOCAL_RANK", 0)}' if torch.cuda.is_available() else 'cpu'
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f'device {name!r} cannot be used: {reason}; on a machine without GPU take cpu') from error
    return name
