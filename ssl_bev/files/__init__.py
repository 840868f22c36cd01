from .atomic import write_bytes
from .pictures import read_picture, write_png

__all__ = ['read_picture', 'write_bytes', 'write_png']
