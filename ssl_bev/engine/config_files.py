"""Reading of config files."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope


def load_config(config: str | Path | Config, options: Mapping[str, Any] | None = None) -> Config:
    """A config with options that replace its values. Its imports are registered, and its scope becomes the default.

    Args:
        config: path of a config file, relative to the current directory, or a config, which is not changed.
        options: `a.b.c` -> value that replaces the config's.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if isinstance(config, Config):
        config = copy.deepcopy(config)
    elif Path(config).is_file():
        config = Config.fromfile(_named(Path(config)))
    else:
        raise FileNotFoundError(f'config file {config} does not exist (current directory: {Path.cwd()})')
    if options:
        config.merge_from_dict(dict(options))
    for name in config:
        loader = config[name] if name.endswith('dataloader') else None
        if loader and loader.get('num_workers') == 0:
            loader['persistent_workers'] = False  # torch refuses to keep workers where there are none
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    return config


def _named(path: Path) -> Path:
    """The config that a file without suffix names; `mim train ssl_bev NAME` finds such files in the wheel."""
    return path if path.suffix else path.parent / path.read_text().strip()
