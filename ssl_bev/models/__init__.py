from .bev_segmentor import BEVSegmentor
from .heads import BEVSegHead, PerspectiveHead, ReprojectionHead
from .losses import SegmentationLoss, TemporalConsistencyLoss, segmentation_loss, temporal_consistency_loss
from .mean_teacher import MeanTeacherLoss

__all__ = [
    'BEVSegHead',
    'BEVSegmentor',
    'MeanTeacherLoss',
    'PerspectiveHead',
    'ReprojectionHead',
    'SegmentationLoss',
    'TemporalConsistencyLoss',
    'segmentation_loss',
    'temporal_consistency_loss',
]
