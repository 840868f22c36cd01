"""IoU of reprojected BEV predictions against labels in the images: an evaluation without BEV labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet3d.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from torch import Tensor

from ssl_bev.geometry import BEVGrid, Road, reproject, scale_pixels
from ssl_bev.targets import is_positive, known

from .gathering import gather_by_token

NEEDED = ('pred_bev_seg', 'pred_classes', 'x_range', 'y_range', 'cell_size', 'bev2img', 'road2bev', 'camera_names')
NEEDED += ('pseudo_target', 'pseudo_classes')


@METRICS.register_module()
class ReprojectedIoUMetric(BaseMetric):
    """Per-class IoU at probability 0.5 over labelled pixels inside the BEV grid, for all cameras and for each one.

    The pipeline must load pseudo-labels (`LoadPseudoLabels`), whose classes are those that the model predicts. A pixel
    of the targets counts where it is labelled, below the horizon, and its road point lies inside the grid; it is of the
    class that has the larger share of it.

    Reported, each after `prefix/`: mIoU, IoU_{class}, IoU_{class}_{camera}; NaN where no pixel is labelled positive.

    Args:
        classes: names to report.
        prefix: of the reported names.

    Raises:
        ValueError: a class that is not among those predicted and labelled, a sample that lacks fields, or no sample.
    """

    default_prefix = 'image'

    def __init__(self, classes: Sequence[str], prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        self.classes = tuple(classes)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count intersections and unions of one batch, see `BEVDataSample` for the fields."""
        for sample in data_samples:
            if lacking := [key for key in NEEDED if key not in sample]:
                raise ValueError(
                    f'sample {sample["sample_token"]} has no {", ".join(lacking)}, which ReprojectedIoUMetric needs; '
                    'for pseudo_target and pseudo_classes add LoadPseudoLabels to the pipeline'
                )
            for kind in ('pred_classes', 'pseudo_classes'):
                missing = [name for name in self.classes if name not in sample[kind]]
                if missing:
                    raise ValueError(f'classes {missing} are not among the {kind} {list(sample[kind])}')
            predicted = _select(sample['pred_bev_seg'], sample['pred_classes'], self.classes)
            grid = BEVGrid(sample['x_range'], sample['y_range'], sample['cell_size'])
            target = _select(sample['pseudo_target'][-1].transpose(0, 1), sample['pseudo_classes'], self.classes)
            # In pixels of the targets, whatever their stride, 1/n included.
            size = tuple(target.shape[-2:])
            bev2img = sample['bev2img'][-1:]
            road = Road(sample['road2bev'], sample.get('road_heights'), sample.get('road_grid'))[-1:]
            height, width = (sample.get('image_size') or sample['img_shape'])[:2]  # as in CameraRig
            bev2img = scale_pixels(bev2img, size[1] / width, size[0] / height)
            projected, _, valid = reproject(predicted[None].float(), grid, bev2img, road, size, 1)
            overlap = _overlap(projected[0], target, valid)
            self.results.append((sample['sample_token'], (tuple(sample['camera_names']), overlap.tolist())))

    def evaluate(self, size: int) -> dict[str, float]:
        """Metrics of the whole dataset, the same on each process and on any number of them.

        Args:
            size: number of samples in the dataset.
        """
        overlaps = gather_by_token(self.results, size, type(self).__name__)
        self.results.clear()
        return {f'{self.prefix}/{name}': value for name, value in self.compute_metrics(overlaps).items()}

    def compute_metrics(self, results: list[tuple[tuple[str, ...], list]]) -> dict[str, float]:
        """IoU from the summed counts.

        Raises:
            ValueError: no sample was evaluated.
        """
        if not results:
            raise ValueError('ReprojectedIoUMetric has no sample to evaluate; is the validation dataset empty?')
        counts: dict[str, Tensor] = {}
        for cameras, overlap in results:
            for camera, count in zip(cameras, torch.tensor(overlap), strict=True):
                counts[camera] = counts.get(camera, 0) + count
        overall = _iou(sum(counts.values()))
        metrics = {'mIoU': float(overall.nanmean())}
        metrics |= {f'IoU_{name}': float(value) for name, value in zip(self.classes, overall, strict=True)}
        for camera, count in counts.items():
            ious = zip(self.classes, _iou(count), strict=True)
            metrics |= {f'IoU_{name}_{camera}': float(value) for name, value in ious}
        MMLogger.get_current_instance().info(
            f'IoU (%) in the images of {len(results)} samples: '
            + ', '.join(f'{name} {100 * metrics[f"IoU_{name}"]:.1f}' for name in self.classes)
        )
        return metrics


def _select(maps: Tensor, names: Sequence[str], wanted: Sequence[str]) -> Tensor:
    return maps[[list(names).index(name) for name in wanted]]


def _overlap(
    projected: Tensor,  # (K, N, h, w)
    target: Tensor,  # (K, N, h, w)
    valid: Tensor,  # (1, N, h, w)
) -> Tensor:  # (N, K, 3) int64: intersection, union, positive labels
    counted = valid & known(target)
    predicted, positive = (projected >= 0.5) & counted, is_positive(target) & counted
    counts = [predicted & positive, predicted | positive, positive]
    return torch.stack([count.flatten(2).sum(-1) for count in counts], -1).transpose(0, 1).cpu()


def _iou(counts: Tensor) -> Tensor:  # (K, 3) -> (K,)
    intersection, union, positive = counts.double().unbind(-1)
    return torch.where(positive > 0, intersection / union.clamp(min=1), torch.nan)
