from .adapt_multi_view import AdaptMultiViewImages
from .augment import ResizeCropFlipImages
from .augment_bev import BEVFlipRotate
from .load_accumulated_targets import LoadAccumulatedTargets
from .load_bev_masks import LoadBEVMasks
from .load_calibration import LoadCalibration
from .load_images import LoadBEVImages
from .load_points import LoadBEVPoints
from .load_pseudo_labels import LoadPseudoLabels
from .pack import PackBEVInputs
from .pack_detection import PackDetectionWithBEV
from .pack_evidence import PackEvidence
from .photometric import JitterColors

__all__ = [
    'AdaptMultiViewImages',
    'BEVFlipRotate',
    'JitterColors',
    'LoadAccumulatedTargets',
    'LoadBEVImages',
    'LoadBEVMasks',
    'LoadBEVPoints',
    'LoadCalibration',
    'LoadPseudoLabels',
    'PackBEVInputs',
    'PackDetectionWithBEV',
    'PackEvidence',
    'ResizeCropFlipImages',
]
