from .encoder import BEVFormerEncoder

__all__ = ['BEVFormerEncoder']
