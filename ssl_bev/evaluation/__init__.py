from .bev_iou_metric import BEVIoUMetric
from .iou_histogram import iou_from_histogram, iou_histogram, ring_index
from .iou_table import format_table
from .metrics_file import write_metrics
from .reprojected_iou_metric import ReprojectedIoUMetric

__all__ = [
    'BEVIoUMetric',
    'ReprojectedIoUMetric',
    'format_table',
    'iou_from_histogram',
    'iou_histogram',
    'ring_index',
    'write_metrics',
]
