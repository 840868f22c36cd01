"""The last transform of a detector that also learns from pseudo-labels."""

from __future__ import annotations

from collections.abc import Mapping

from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from .adapt_multi_view import SHARED_KEYS
from .pack import fill_sample


@TRANSFORMS.register_module()
class PackDetectionWithBEV(BaseTransform):
    """Pack the inputs of a detector, and add to its data sample the fields of `PackBEVInputs`.

    The wrapped transform sees each key as mmdet3d's own transforms left it, so inputs, ground truth and metainfo of the
    detector do not change.

    Required Keys: what `pack` needs, and what `AdaptMultiViewImages` adds; labels where loaded

    Added Keys:
        - inputs: those of `pack`
        - data_samples: that of `pack`, with the fields and metainfo of `BEVDataSample` (T = 1); for a name that both
            have (img_shape), that of the detector is kept, and `image_size` is height and width of the images

    Args:
        pack: transform that ends the detector's pipeline.

    Example:
        >>> dict(
        ...     type='PackDetectionWithBEV',
        ...     pack=dict(type='Pack3DDetInputs', keys=['points', 'img', 'gt_bboxes_3d', 'gt_labels_3d']),
        ... )
    """

    def __init__(self, pack: Mapping) -> None:
        self.pack = TRANSFORMS.build(dict(pack))

    def transform(self, results: dict) -> dict:
        if 'detector_keys' not in results:
            raise ValueError('PackDetectionWithBEV needs AdaptMultiViewImages before it in the pipeline')
        own = {key: value for key, value in results.items() if key not in SHARED_KEYS}
        packed = self.pack(own | results['detector_keys'])
        fill_sample(packed['data_samples'], results)
        return packed

    def __repr__(self) -> str:
        return f'{type(self).__name__}(pack={self.pack})'
