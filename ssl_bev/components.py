"""Import this module to register every component: `custom_imports = dict(imports=['ssl_bev.components'])`.

`import ssl_bev` alone is light, for processes that must not import mmdet3d.
"""

from . import datasets, engine, evaluation, models

__all__ = ['datasets', 'engine', 'evaluation', 'models']
