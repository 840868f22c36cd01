from .bev_seg_head import BEVSegHead

__all__ = ['BEVSegHead']
