from .auxiliary_detector import DetectorWithObjectives
from .bev_encoder import BEVEncoder, FrameInputs
from .bev_segmentor import BEVSegmentor
from .heads import BEVSegHead
from .losses import SegmentationLoss, segmentation_loss, temporal_consistency_loss
from .map_completion import MapCompletion
from .objectives import (
    BEVLabelLoss,
    BEVMap,
    Frame,
    Objective,
    ObjectiveSet,
    PerspectiveHead,
    ReprojectionHead,
    TargetMapLoss,
    TemporalConsistencyLoss,
    Window,
)
from .pillar_encoder import PillarEncoder

__all__ = [
    'BEVEncoder',
    'BEVLabelLoss',
    'BEVMap',
    'BEVSegHead',
    'BEVSegmentor',
    'DetectorWithObjectives',
    'Frame',
    'FrameInputs',
    'MapCompletion',
    'Objective',
    'ObjectiveSet',
    'PerspectiveHead',
    'PillarEncoder',
    'ReprojectionHead',
    'SegmentationLoss',
    'TargetMapLoss',
    'TemporalConsistencyLoss',
    'Window',
    'segmentation_loss',
    'temporal_consistency_loss',
]
