"""Whether a module's weights come from a file, so that its own initialisation must not overwrite them."""

from __future__ import annotations

from collections.abc import Mapping

from mmengine.model import BaseModule


def starts_pretrained(module: BaseModule) -> bool:
    """True if `init_cfg`, or one of several, has the type 'Pretrained'; for use in `init_weights`."""
    configs = module.init_cfg or []
    configs = [configs] if isinstance(configs, Mapping) else configs
    return any(config.get('type') in ('Pretrained', 'PretrainedInit') for config in configs)
