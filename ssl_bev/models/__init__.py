from .bev_segmentor import BEVSegmentor
from .heads import BEVSegHead, PerspectiveHead, ReprojectionHead
from .losses import SegmentationLoss, TemporalConsistencyLoss, segmentation_loss, temporal_consistency_loss
from .map_completion import MapCompletion

__all__ = [
    'BEVSegHead',
    'BEVSegmentor',
    'MapCompletion',
    'PerspectiveHead',
    'ReprojectionHead',
    'SegmentationLoss',
    'TemporalConsistencyLoss',
    'segmentation_loss',
    'temporal_consistency_loss',
]
