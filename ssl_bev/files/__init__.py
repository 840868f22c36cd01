from .atomic import replacing, write_bytes, write_text
from .hashes import sha256
from .label_pictures import read_ids
from .pictures import read_picture, write_png

__all__ = ['read_ids', 'read_picture', 'replacing', 'sha256', 'write_bytes', 'write_png', 'write_text']
