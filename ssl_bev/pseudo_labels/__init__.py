from .generate import generate_pseudo_labels
from .image_list import LabelImage, list_images
from .label_map import LabelMap, reduction_table, shipped_label_maps
from .manifest import read_manifest
from .reader import PseudoLabelReader
from .storage import PseudoLabelWriter
from .verify import verify_pseudo_labels

__all__ = [
    'LabelImage',
    'LabelMap',
    'PseudoLabelReader',
    'PseudoLabelWriter',
    'generate_pseudo_labels',
    'list_images',
    'read_manifest',
    'reduction_table',
    'shipped_label_maps',
    'verify_pseudo_labels',
]
