from .reduction import sum_over_processes
from .segmentation import SegmentationLoss, segmentation_loss
from .temporal_consistency import temporal_consistency_loss

__all__ = ['SegmentationLoss', 'segmentation_loss', 'sum_over_processes', 'temporal_consistency_loss']
