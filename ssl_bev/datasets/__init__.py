from .label_subsets import draw_label_subset, read_scene_list, write_label_subset
from .nuscenes_bev_dataset import NuScenesBEVDataset
from .preprocessor import BEVDataPreprocessor
from .transforms import (
    BEVFlipRotate,
    JitterColors,
    LoadAccumulatedTargets,
    LoadBEVImages,
    LoadBEVMasks,
    LoadPseudoLabels,
    PackBEVInputs,
    PackEvidence,
    ResizeCropFlipImages,
)

__all__ = [
    'BEVDataPreprocessor',
    'BEVFlipRotate',
    'JitterColors',
    'LoadAccumulatedTargets',
    'LoadBEVImages',
    'LoadBEVMasks',
    'LoadPseudoLabels',
    'NuScenesBEVDataset',
    'PackBEVInputs',
    'PackEvidence',
    'ResizeCropFlipImages',
    'draw_label_subset',
    'read_scene_list',
    'write_label_subset',
]
