from .segmentation import IGNORE, SegmentationLoss, segmentation_loss
from .temporal_consistency import TemporalConsistencyLoss, temporal_consistency_loss

__all__ = [
    'IGNORE',
    'SegmentationLoss',
    'TemporalConsistencyLoss',
    'segmentation_loss',
    'temporal_consistency_loss',
]
