from .bev_labels import BEVLabelLoss, TargetMapLoss
from .objective import BEVMap, Frame, Objective, Window
from .objective_set import ObjectiveSet
from .perspective_head import PerspectiveHead
from .reprojection_head import ReprojectionHead
from .temporal_consistency import TemporalConsistencyLoss

__all__ = [
    'BEVLabelLoss',
    'BEVMap',
    'Frame',
    'Objective',
    'ObjectiveSet',
    'PerspectiveHead',
    'ReprojectionHead',
    'TargetMapLoss',
    'TemporalConsistencyLoss',
    'Window',
]
