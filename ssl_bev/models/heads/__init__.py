from .bev_seg_head import BEVSegHead
from .reprojection_head import ReprojectionHead

__all__ = ['BEVSegHead', 'ReprojectionHead']
