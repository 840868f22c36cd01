"""Your own cameras: a text format, and its conversion into training data. See docs/own_data.md."""

from .create_own_data import create_own_data
from .label_raster import LabelRaster
from .label_raster_files import read_label_raster, write_label_raster
from .read_drives import read_drives
from .write_drives import pose, write_drives

__all__ = [
    'LabelRaster',
    'create_own_data',
    'pose',
    'read_drives',
    'read_label_raster',
    'write_drives',
    'write_label_raster',
]
