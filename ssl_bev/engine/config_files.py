"""Reading of config files."""

from __future__ import annotations

import copy
import os
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.utils import import_modules_from_strings

FAULTS = (SyntaxError, NameError, AttributeError, LookupError, TypeError, re.error)  # of the Python in a config
VARIABLE = re.compile(r'\{\{[\'"]?\s*\$(\w+)')


def load_config(config: str | Path | Config, options: Mapping[str, Any] | None = None) -> Config:
    """A config with options that replace its values. Its imports are registered, and its scope becomes the default.

    Args:
        config: path of a config file, relative to the current directory, or a config, which is not changed.
        options: `a.b.c` -> value that replaces the config's.

    Raises:
        FileNotFoundError: there is no such file.
        ModuleNotFoundError: its `custom_imports` name a module that does not exist.
        ValueError: it is no valid Python, an environment variable that it reads holds quotes or backslashes, or the
            options do not fit.
    """
    if isinstance(config, Config):
        config = copy.deepcopy(config)
    elif Path(config).is_file():
        config = _read(_named(Path(config)))
    else:
        raise FileNotFoundError(f'config file {config} does not exist (current directory: {Path.cwd()})')
    if options:
        try:
            config.merge_from_dict(dict(options))
        except (KeyError, TypeError) as error:
            raise ValueError(f'options {dict(options)} do not fit config {config.filename}: {error.args[0]}') from error
    for name in config:
        loader = config[name] if name.endswith('dataloader') else None
        if loader and loader.get('num_workers') == 0:
            loader['persistent_workers'] = False  # torch refuses to keep workers where there are none
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    return config


@contextmanager
def building(config: Config) -> Iterator[None]:
    """While parts of a config are built. Errors inside of the parts stay what they are.

    Raises:
        ValueError: a type is unknown, or a component has no such argument or misses one; it names the config.
    """
    try:
        yield
    except (KeyError, TypeError) as error:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name not in ('build_from_cfg', 'refuse_moved'):
            raise
        raise ValueError(f'config {config.filename}: {error.args[0]}') from error


def _read(path: Path) -> Config:
    try:
        config = Config.fromfile(path, import_custom_modules=False)
    except FAULTS as error:
        # The file at fault may be a base; mmengine's message names at best a temporary copy.
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        readers = [frame for frame in frames if frame.f_code.co_name in ('fromfile', '_file2dict')]
        file = readers[-1].f_locals['filename']
        for name in VARIABLE.findall(Path(file).read_text()):
            if re.search(r'[\'"\\]', os.environ.get(name, '')):
                raise ValueError(
                    f'environment variable {name} must not contain quotes or backslashes, since config file {file} '
                    f'has it in quotes, got {os.environ[name]}'
                ) from error
        raise ValueError(f'config file {file} cannot be read: {type(error).__name__}: {error}') from error
    try:
        import_modules_from_strings(**config.get('custom_imports') or {'imports': None})
    except ImportError as error:
        if isinstance(error.__context__, ModuleNotFoundError):
            reason = f'config file {path}: {error}: {error.__context__}; is its folder in PYTHONPATH?'
            raise ModuleNotFoundError(reason) from error
        raise
    return config


def _named(path: Path) -> Path:
    """The config that a file without suffix names; `mim train ssl_bev NAME` finds such files in the wheel."""
    return path if path.suffix else path.parent / path.read_text().strip()
