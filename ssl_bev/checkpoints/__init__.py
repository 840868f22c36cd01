from .last_good import NOTE, find_last_good
from .publish import publish
from .safe_checkpoint import load_checkpoint_file, with_safe_loading, without_scheme

__all__ = ['NOTE', 'find_last_good', 'load_checkpoint_file', 'publish', 'with_safe_loading', 'without_scheme']
