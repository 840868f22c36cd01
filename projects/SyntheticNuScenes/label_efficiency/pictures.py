"""What the arms see of a few test frames, side by side: cameras, the truth, and each arm's map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config

from ssl_bev.apis import build_test_dataloader, inference, init_model, load_config
from ssl_bev.files import write_png
from ssl_bev.geometry import BEVGrid
from ssl_bev.structures import BEVDataSample
from ssl_bev.visualization import compose_panel, draw_bev

from .merge import TRUTH_PREFIX

PIXELS_PER_CELL = 2
TILE_WIDTH = 400


def draw_frames(arms: Sequence[tuple[str, Config, Path]], folder: Path, frames: int = 4) -> list[Path]:
    """Draw `frames` test frames, evenly spread, as {folder}/frame_{i}.png.

    Args:
        arms: caption, config and checkpoint of each; all of one test set.
        folder: made where missing.
        frames: how many.

    Returns:
        The paths.
    """
    predictions = [list(predict_frames(config, checkpoint, frames)) for _, config, checkpoint in arms]
    paths = []
    for number, seen in enumerate(zip(*predictions, strict=True)):
        images, sample = seen[0]
        classes = tuple(sample.pred_classes)
        grid = BEVGrid(tuple(sample.x_range), tuple(sample.y_range), sample.cell_size)
        names = list(sample.bev_classes)
        truth = sample.gt_bev_seg[[names.index(TRUTH_PREFIX + name) for name in classes]].numpy()
        maps = [('exact truth', truth == 1)]
        maps += [
            (caption, one.pred_bev_seg.float().numpy()) for (caption, _, _), (_, one) in zip(arms, seen, strict=True)
        ]
        bevs = [
            (caption, draw_bev(map_.astype(np.float32), classes, grid, pixels_per_cell=PIXELS_PER_CELL))
            for caption, map_ in maps
        ]
        tiles = [_enlarge(image.permute(1, 2, 0).numpy()) for image in images]
        panel = compose_panel(tiles, sample.camera_names, bevs, classes, f'{sample.scene_name}, synthetic')
        paths.append(folder / f'frame_{number}.png')
        write_png(paths[-1], panel)
    return paths


def predict_frames(config: Config, checkpoint: Path, frames: int) -> list[tuple[object, BEVDataSample]]:
    """Images and prediction of test frames, evenly spread."""
    config = load_config(config)
    total = len(build_test_dataloader(config).dataset)
    config.test_dataloader.dataset.sample_interval = max(1, total // frames)
    model = init_model(config, checkpoint)
    return list(inference(model, build_test_dataloader(config)))[:frames]


def _enlarge(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    return cv2.resize(image, (TILE_WIDTH, round(height * TILE_WIDTH / width)), interpolation=cv2.INTER_CUBIC)
