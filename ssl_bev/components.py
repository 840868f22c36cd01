"""Import this module to register every component: `custom_imports = dict(imports=['ssl_bev.components'])`.

`import ssl_bev` alone stays light, for processes that must not touch mmdet3d.
"""

from . import datasets, engine, evaluation, models

__all__ = ['datasets', 'engine', 'evaluation', 'models']
