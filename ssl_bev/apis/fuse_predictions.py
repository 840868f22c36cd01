"""A model's own predictions, fused over each scene, as soft BEV targets: self-training on frames without labels.

A single frame sees a marking from one place, from afar or half hidden. Its predictions over a whole scene vote on one
ground raster, as pseudo-labels do, and each frame gets back what all of them together say.

Source of the idea: Lilja et al., CVPR workshops 2025 (labels fused over time in BEV).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from mmengine.model import BaseModel
from torch.utils.data import Dataset, Subset
from tqdm import tqdm

from ssl_bev.datasets.accumulate_scene import Scene, bev2plane, crop_plane, scene_raster
from ssl_bev.datasets.accumulated_target_files import start_folder, target_path, write_target
from ssl_bev.geometry import BEVGrid
from ssl_bev.pseudo_labels.accumulate import SceneEvidence
from ssl_bev.structures import BEVDataSample, CameraRig

from .inference import inference


@dataclass(frozen=True)
class Fusion:
    """What a prediction's vote is worth. Ground that no camera looks at has none.

    Args:
        half_distance: metres from the BEV origin at which a vote counts half; it falls as 1 / (1 + (d / this)^2).
        confidence_power: a vote counts by |2 p - 1| to this power; 0: all alike.
        full_weight: votes (certain, near ones) from which on a target has the full weight.
        raster_cell_size: of the scene's raster, metres; None: half of the predictions'.

    Raises:
        ValueError: a value out of range.
    """

    half_distance: float = 20.0
    confidence_power: float = 1.0
    full_weight: float = 1.0
    raster_cell_size: float | None = None

    def __post_init__(self) -> None:
        for name in ('half_distance', 'full_weight', 'raster_cell_size'):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f'{name} must be positive, got {value}')
        if self.confidence_power < 0:
            raise ValueError(f'confidence_power must not be negative, got {self.confidence_power}')

    def weight(
        self,
        probability: np.ndarray,  # (K, H, W)
        observed: np.ndarray,  # (H, W) bool
        grid: BEVGrid,
    ) -> np.ndarray:  # (K, H, W)
        """What the votes of one frame's map are worth."""
        distance = grid.cell_centers().norm(dim=-1).numpy()
        near = observed / (1 + (distance / self.half_distance) ** 2)
        return near * np.abs(2 * probability - 1) ** self.confidence_power


def fuse_scene(
    samples: Sequence[BEVDataSample],
    fusion: Fusion,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:  # (K, H, W), (K, H, W), both 0 ... 1
    """Each frame's probability and weight from the predictions of all frames of its scene.

    Args:
        samples: of one scene, with `pred_bev_seg`.
        fusion: how they are weighed.
    """
    grid = BEVGrid(samples[0].x_range, samples[0].y_range, samples[0].cell_size)
    positions = np.array([sample.bev2global[-1, :2, 3].numpy() for sample in samples])
    reach = np.hypot(max(map(abs, grid.x_range)), max(map(abs, grid.y_range)))
    raster, origin = scene_raster(positions, reach, fusion.raster_cell_size or grid.cell_size / 2)
    poses = [bev2plane(s.bev2global[-1].numpy(), s.road2bev[-1].double().numpy(), origin) for s in samples]
    scene = Scene(SceneEvidence(raster, len(samples[0].pred_bev_seg)), origin)
    for sample, pose in zip(samples, poses, strict=True):
        probability = sample.pred_bev_seg.float().numpy()
        observed = CameraRig.from_data_samples([sample]).frame(-1).observed(grid)[0].numpy()
        scene.evidence.add_map(probability, fusion.weight(probability, observed, grid), grid, pose)
    for pose in poses:
        probability, weight = crop_plane(scene, pose, grid)
        yield probability, np.minimum(weight / fusion.full_weight, 1)


def fuse_predictions(
    model: BaseModel,
    dataset: Dataset,
    out: str | Path,
    fusion: Fusion,
    teacher: Mapping,
    online: bool = False,
    show_progress: bool = True,
) -> dict[str, int]:
    """Write one file of targets for each sample; scenes that are there already are left out.

    Args:
        model: in evaluation mode, as `init_model` returns it; its segmentation head names classes and grid.
        dataset: a `NuScenesBEVDataset` with a test pipeline, in the order of time.
        out: folder, made where missing; `LoadAccumulatedTargets(root=out, kind='self')` reads it.
        fusion: how predictions are weighed.
        teacher: what names the model, for the manifest, such as its checkpoint and that file's hash.
        online: see `inference`.
        show_progress: whether to draw a progress bar.

    Returns:
        How many frames were written and how many were there already.

    Raises:
        ValueError: a folder with targets that were made in another way.
    """
    head = model.seg_head
    classes = head.classes if head.predict_classes == 'fine' else head.coarse_classes
    settings = dict(asdict(head.grid), bev_frame=dataset.bev_frame, classes=classes, online=online, **asdict(fusion))
    start_folder(out, {**settings, 'teacher': dict(teacher)})
    scenes: dict[str, list[int]] = {}
    for index, scene in enumerate(dataset.scene_tokens):
        scenes.setdefault(scene, []).append(index)
    tokens = [dataset.get_data_info(index)['frames'][-1]['token'] for index in range(len(dataset))]
    todo = [chosen for chosen in scenes.values() if not all(target_path(out, tokens[i]).is_file() for i in chosen)]
    written = sum(map(len, todo))
    with tqdm(total=written, desc='fusing predictions', unit='frame', disable=not show_progress) as bar:
        for chosen in todo:
            samples = []
            for _, sample in inference(model, Subset(dataset, chosen), online):
                samples.append(sample)
                bar.update()
            for index, target in zip(chosen, fuse_scene(samples, fusion), strict=True):
                write_target(out, tokens[index], *target)
    return {'written': written, 'there': len(dataset) - written}
