"""What the command lines of all tools share: how help reads, the names of common arguments, and how bad input ends."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

COMMON = {
    '--infos': dict(nargs='+', metavar='PKL', help='info files of tools/create_data.py'),
    '--data-root': dict(metavar='DIR', help='folder that the paths of images start from'),
    '--pseudo-labels': dict(metavar='DIR', help="folder of the teacher's labels"),
    '--label-map': dict(metavar='NAME', help='name or file of their label map'),
    '--roads': dict(metavar='DIR', help='folder of tools/estimate_road.py; by default the road is flat'),
    '--out': dict(metavar='DIR', help='folder for the results, made where missing'),
    '--device': dict(default='auto', metavar='NAME', help='cpu, cuda, cuda:1 …; auto: a GPU where there is one'),
    '--workers': dict(type=int, default=1, metavar='N', help='processes (default: %(default)s)'),
    '--quiet': dict(action='store_true', help='no progress bar'),
}


class CommandParser(argparse.ArgumentParser):
    """A parser whose help opens with the tool's docstring: what the tool is for, and commands that run."""

    def __init__(self, purpose: str) -> None:
        super().__init__(
            usage=argparse.SUPPRESS, description=purpose, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def add_common(self, name: str, *old_names: str, **changes: object) -> None:
        """Add an argument of `COMMON`. `old_names` stay valid; `changes` replace what `COMMON` says."""
        self.add_argument(name, *old_names, **COMMON[name] | changes)

    def error(self, message: str) -> None:
        self.exit(1, f'error: {message}; {self.prog} --help says more\n')


@contextmanager
def input_errors(*others: type[Exception]) -> Iterator[None]:
    """End with `error: …` and exit code 1 where a file or a value is wrong. All other errors keep their traceback.

    An interrupt ends with exit code 130.

    Args:
        others: more exceptions whose message says it all.
    """
    try:
        yield
    except (OSError, ValueError, ModuleNotFoundError, *others) as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        sys.exit(130)


def find_device(name: str = 'auto') -> str:
    """The device that `--device` means: with 'auto' the GPU of this process, by its rank, or else the CPU.

    Raises:
        ValueError: torch knows no such device, or this machine has none.
    """
    import torch

    if name == 'auto':
        return f'cuda:{os.environ.get("LOCAL_RANK", 0)}' if torch.cuda.is_available() else 'cpu'
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f'--device {name} is not usable here: {str(error).splitlines()[0]}') from error
    return name
