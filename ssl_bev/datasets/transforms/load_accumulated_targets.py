"""Load the BEV targets that were accumulated from pseudo-labels."""

from __future__ import annotations

from collections.abc import Sequence

from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ..accumulated_target_files import HOW_TO_MAKE, read_target, read_target_manifest


@TRANSFORMS.register_module()
class LoadAccumulatedTargets(BaseTransform):
    """Read the soft BEV targets of a window's current frame, for the loss `loss_accumulated`.

    Put it before `BEVFlipRotate`, which moves them as it moves BEV labels.

    Required Keys: frames, bev_frame

    Added Keys:
        - accumulated_probability: (K, H, W) uint8, 255 = certainly present
        - accumulated_weight: (K, H, W) uint8, 255 = well observed, 0 = not observed
        - accumulated_classes, accumulated_grid (a `BEVGrid`)

    Args:
        root: folder of tools/accumulate_pseudo_labels.py.
        classes: the K classes by name; None: all of the folder, in its order.

    Raises:
        FileNotFoundError: no manifest, or no file of the frame.
        ValueError: an unknown class, targets in another BEV frame, or a broken file.
    """

    def __init__(self, root: str, classes: Sequence[str] | None = None) -> None:
        self.root = root
        self.manifest = read_target_manifest(root)
        self.classes = tuple(self.manifest['classes'] if classes is None else classes)
        unknown = [name for name in self.classes if name not in self.manifest['classes']]
        if unknown:
            raise ValueError(f'classes {unknown} are not in the targets of {root}: {self.manifest["classes"]}')

    def transform(self, results: dict) -> dict:
        if self.manifest['bev_frame'] != results['bev_frame']:
            raise ValueError(
                f"the targets in {self.root} are in the {self.manifest['bev_frame']!r} frame, the dataset's bev_frame "
                f'is {results["bev_frame"]!r}; make them again with {HOW_TO_MAKE} --bev-frame {results["bev_frame"]}'
            )
        names, grid = self.manifest['classes'], self.manifest['grid']
        probability, weight = read_target(self.root, results['frames'][-1]['token'], (len(names), *grid.shape))
        chosen = [names.index(name) for name in self.classes]
        results['accumulated_probability'] = probability[chosen]
        results['accumulated_weight'] = weight[chosen]
        results['accumulated_classes'] = list(self.classes)
        results['accumulated_grid'] = grid
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(root={str(self.root)!r}, classes={self.classes})'
