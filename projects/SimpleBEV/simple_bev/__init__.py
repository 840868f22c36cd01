from .simple_bev import SimpleBEV

__all__ = ['SimpleBEV']
