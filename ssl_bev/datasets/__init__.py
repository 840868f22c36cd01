from .bev_dataset import BEVDataset, NuScenesBEVDataset
from .label_subsets import draw_label_subset, read_scene_list, write_label_subset
from .preprocessor import BEVDataPreprocessor
from .transforms import (
    AdaptMultiViewImages,
    BEVFlipRotate,
    JitterColors,
    LoadAccumulatedTargets,
    LoadBEVImages,
    LoadBEVMasks,
    LoadBEVPoints,
    LoadCalibration,
    LoadPseudoLabels,
    PackBEVInputs,
    PackDetectionWithBEV,
    PackEvidence,
    ResizeCropFlipImages,
)

__all__ = [
    'AdaptMultiViewImages',
    'BEVDataPreprocessor',
    'BEVDataset',
    'BEVFlipRotate',
    'JitterColors',
    'LoadAccumulatedTargets',
    'LoadBEVImages',
    'LoadBEVMasks',
    'LoadBEVPoints',
    'LoadCalibration',
    'LoadPseudoLabels',
    'NuScenesBEVDataset',
    'PackBEVInputs',
    'PackDetectionWithBEV',
    'PackEvidence',
    'ResizeCropFlipImages',
    'draw_label_subset',
    'read_scene_list',
    'write_label_subset',
]
