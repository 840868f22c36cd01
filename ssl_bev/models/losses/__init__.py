from .cldice import soft_cldice
from .segmentation import IGNORE, SegmentationLoss, segmentation_loss
from .temporal_consistency import TemporalConsistencyLoss, temporal_consistency_loss

__all__ = [
    'IGNORE',
    'SegmentationLoss',
    'TemporalConsistencyLoss',
    'segmentation_loss',
    'soft_cldice',
    'temporal_consistency_loss',
]
