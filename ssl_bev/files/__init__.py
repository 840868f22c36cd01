from .atomic import write_bytes
from .hashes import sha256
from .label_pictures import read_ids
from .pictures import read_picture, write_png

__all__ = ['read_ids', 'read_picture', 'sha256', 'write_bytes', 'write_png']
