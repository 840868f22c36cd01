"""Load the BEV targets that were accumulated over a scene, or completed to maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ..accumulated_target_files import read_target, read_target_manifest
from ..move_labels import move_labels

# Both may be in one sample. The loss of the same name reads them, for the coarse or the fine map.
KINDS = ('accumulated', 'completed')


@TRANSFORMS.register_module()
class LoadAccumulatedTargets(BaseTransform):
    """Read the soft BEV targets of a window's current frame, for `TargetMapLoss`.

    If the frame was rotated, mirrored or scaled before, the targets follow; cells from outside have no weight.

    Required Keys: frames, bev_frame; optional bev_aug

    Added Keys (of kind 'completed' they begin with `completed_`):
        - accumulated_probability: (K, H, W) uint8, 255 = certainly present
        - accumulated_weight: (K, H, W) uint8, 255 = well observed, 0 = not observed
        - accumulated_classes, accumulated_grid (a `BEVGrid`)

    Args:
        root: folder of tools/accumulate_pseudo_labels.py or tools/complete_maps.py.
        classes: the K classes by name; None: all of the folder, in its order.
        kind: as in `TargetMapLoss`: 'accumulated' = of the coarse classes; 'completed' = maps of the fine classes that
            `MapCompletion` completed.

    Raises:
        FileNotFoundError: no manifest, or no file of the frame.
        ValueError: an unknown class or kind, targets in another BEV frame, or a broken file.
    """

    def __init__(self, root: str, classes: Sequence[str] | None = None, kind: str = 'accumulated') -> None:
        if kind == 'self':
            raise ValueError("kind='self' is now kind='completed'")
        if kind not in KINDS:
            raise ValueError(f'kind must be one of {KINDS}, got {kind!r}')
        self.root = root
        self.kind = kind
        self.manifest = read_target_manifest(root)
        self.classes = tuple(self.manifest['classes'] if classes is None else classes)
        unknown = [name for name in self.classes if name not in self.manifest['classes']]
        if unknown:
            raise ValueError(f'classes {unknown} are not in the targets of {root}: {self.manifest["classes"]}')

    def transform(self, results: dict) -> dict:
        if self.manifest['bev_frame'] != results['bev_frame']:
            raise ValueError(
                f"the targets in {self.root} are in the {self.manifest['bev_frame']!r} frame, the dataset's bev_frame "
                f'is {results["bev_frame"]!r}; make them again in that frame (--bev-frame {results["bev_frame"]} of '
                'tools/accumulate_pseudo_labels.py)'
            )
        names, grid = self.manifest['classes'], self.manifest['grid']
        probability, weight = read_target(self.root, results['frames'][-1]['token'], (len(names), *grid.shape))
        chosen = [names.index(name) for name in self.classes]
        probability, weight = probability[chosen], weight[chosen]
        bev_aug = results.get('bev_aug', np.eye(4))
        if not np.array_equal(bev_aug, np.eye(4)):
            probability, weight = (move_labels(values, grid, bev_aug, 0) for values in (probability, weight))
        content = dict(probability=probability, weight=weight, classes=list(self.classes), grid=grid)
        results.update({f'{self.kind}_{name}': value for name, value in content.items()})
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(root={str(self.root)!r}, classes={self.classes}, kind={self.kind!r})'
