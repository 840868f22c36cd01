from .bev_seg_head import BEVSegHead
from .perspective_head import PerspectiveHead
from .reprojection_head import ReprojectionHead

__all__ = ['BEVSegHead', 'PerspectiveHead', 'ReprojectionHead']
