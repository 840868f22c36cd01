from .bev_dataset import BEVDataset, NuScenesBEVDataset
from .label_subsets import draw_label_subset, read_scene_list, write_label_subset
from .preprocessor import BEVDataPreprocessor
from .transforms.adapt_multi_view import AdaptMultiViewImages
from .transforms.augment import ResizeCropFlipImages
from .transforms.augment_bev import BEVFlipRotate
from .transforms.load_accumulated_targets import LoadAccumulatedTargets
from .transforms.load_bev_masks import LoadBEVMasks
from .transforms.load_calibration import LoadCalibration
from .transforms.load_images import LoadBEVImages
from .transforms.load_points import LoadBEVPoints
from .transforms.load_pseudo_labels import LoadPseudoLabels
from .transforms.pack import PackBEVInputs
from .transforms.pack_detection import PackDetectionWithBEV
from .transforms.pack_evidence import PackEvidence
from .transforms.photometric import JitterColors

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
