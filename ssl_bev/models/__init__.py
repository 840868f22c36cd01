from .bev_segmentor import BEVSegmentor
from .heads import BEVSegHead, ReprojectionHead
from .losses import SegmentationLoss, TemporalConsistencyLoss, segmentation_loss, temporal_consistency_loss

__all__ = [
    'BEVSegHead',
    'BEVSegmentor',
    'ReprojectionHead',
    'SegmentationLoss',
    'TemporalConsistencyLoss',
    'segmentation_loss',
    'temporal_consistency_loss',
]
