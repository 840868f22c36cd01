from .bev_segmentor import BEVSegmentor
from .heads import BEVSegHead, PerspectiveHead, ReprojectionHead
from .losses import SegmentationLoss, TemporalConsistencyLoss, segmentation_loss, temporal_consistency_loss
from .map_completion import MapCompletion
from .mean_teacher import MeanTeacherLoss

__all__ = [
    'BEVSegHead',
    'BEVSegmentor',
    'MapCompletion',
    'MeanTeacherLoss',
    'PerspectiveHead',
    'ReprojectionHead',
    'SegmentationLoss',
    'TemporalConsistencyLoss',
    'segmentation_loss',
    'temporal_consistency_loss',
]
