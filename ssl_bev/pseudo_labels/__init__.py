from .label_map import LabelMap, reduction_table, shipped_label_maps
from .reader import PseudoLabelReader
from .storage import PseudoLabelWriter, read_manifest

__all__ = [
    'LabelMap',
    'PseudoLabelReader',
    'PseudoLabelWriter',
    'read_manifest',
    'reduction_table',
    'shipped_label_maps',
]
