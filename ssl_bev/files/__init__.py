from .atomic import replacing, write_bytes, write_npz, write_text
from .hashes import sha256
from .label_pictures import read_ids
from .pictures import read_picture, write_png
from .plain_pickle import read_plain_pickle

__all__ = [
    'read_ids',
    'read_picture',
    'read_plain_pickle',
    'replacing',
    'sha256',
    'write_bytes',
    'write_npz',
    'write_png',
    'write_text',
]
