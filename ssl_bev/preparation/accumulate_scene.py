"""The pseudo-labels of a scene on one ground raster, and BEV targets of each frame cropped from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ssl_bev.datasets.calibration import frame_cameras, frame_poses
from ssl_bev.geometry import BEVGrid, ground_homography
from ssl_bev.models.objectives.cell_labels import ReadingRule, reading_rules
from ssl_bev.pseudo_labels.source_image import source_image
from ssl_bev.pseudo_labels.target_reader import TargetReader

from .map_ground import MapGround
from .scene_evidence import SceneEvidence, View

MAX_RASTER_GIB = 8.0  # memory of the ground raster of one scene


class Scene(NamedTuple):
    """The evidence of a scene.

    Convention: its plane has the axes of the global frame and its origin at `origin` there, since kilometres lose
    centimetres in single precision.
    """

    evidence: SceneEvidence
    origin: np.ndarray  # (2,) metres in the global frame


def accumulate_scene(
    frames: Sequence[Mapping],
    labels: TargetReader,
    cell_size: float = 0.125,
    max_distance: float = 30.0,
    max_pixels: float = 10.0,
    rules: Sequence[ReadingRule] | None = None,
) -> Scene:
    """Let all cameras of all frames of a scene vote.

    Args:
        frames: of one scene, from `flatten_frames`.
        labels: reads their pseudo-labels.
        cell_size: of the raster, metres; half that of the targets keeps lines between their cells sharp.
        max_distance, max_pixels: as in `SceneEvidence`.
        rules: of the classes; None: those of the labels, all of them areas.

    Raises:
        FileNotFoundError: a missing pseudo-label.
        ValueError: no frame, a scene that is too large, or a broken pseudo-label.
    """
    if not frames:
        raise ValueError('accumulate_scene needs at least one frame, got none')
    positions = np.array([frame_poses(frame, 'ego')[0][:2, 3] for frame in frames])
    rules = reading_rules(labels.classes) if rules is None else rules
    # Cameras are up to some metres away from the ego origin.
    votes = 2 * 4 * len(rules)
    grid, origin = scene_raster(positions, max_distance + 5, cell_size, votes)
    scene = Scene(SceneEvidence(grid, rules, max_distance, max_pixels), origin)
    for frame in frames:
        for view in _views(frame, labels, origin):
            scene.evidence.add(view, labels.targets)
    return scene


def scene_raster(
    positions: np.ndarray,  # (P, 2) metres in the global frame
    reach: float,
    cell_size: float,
    cell_bytes: int,
) -> tuple[BEVGrid, np.ndarray]:  # grid, (2,)
    """The grid of the area within `reach` metres of the positions of a scene along x and y, and its origin.

    Raises:
        ValueError: `cell_bytes` of memory for each cell would be more than `MAX_RASTER_GIB`.
    """
    origin = np.floor(positions.min(0))
    reach = cell_size * np.ceil(reach / cell_size)
    cells = np.ceil((positions.max(0) - origin + reach) / cell_size)
    needed = cell_bytes * np.prod(cells + reach / cell_size) / 2**30
    if needed > MAX_RASTER_GIB:
        low, high = (f'({x:.0f}, {y:.0f})' for x, y in (positions.min(0), positions.max(0)))
        raise ValueError(
            f'the scene from {low} to {high} metres in the global frame needs a raster of {needed:.0f} GiB with cells '
            f'of {cell_size:g} m, the limit is {MAX_RASTER_GIB:g} GiB; divide the drive into shorter scenes'
        )
    x_range, y_range = ((-reach, float(stop)) for stop in cells * cell_size)
    return BEVGrid(x_range, y_range, cell_size), origin


def crop_frame(
    scene: Scene,
    frame: Mapping,
    grid: BEVGrid,
    bev_frame: str = 'ego',
) -> tuple[np.ndarray, np.ndarray]:  # (K, H, W) float32, (K, H, W) float32
    """The BEV targets of a frame: probability of each class and weight of its evidence, as `SceneEvidence.crop`."""
    ground = MapGround.of_frame(frame, bev_frame, scene.origin)
    return scene.evidence.crop(ground.to_map(grid.cell_centers(dtype=torch.float64).numpy()))


def read_view(frame: Mapping, name: str, labels: TargetReader) -> tuple[np.ndarray, np.ndarray]:  # (h, w), (h, w)
    """Class ids and confidence of the image of one camera of a frame, as `TargetReader.read`."""
    camera = frame['images'][name]
    size = (camera['height'], camera['width']) if camera.get('height') else None
    return labels.read(name, Path(camera['img_path']).stem, frame['token'], size, source_image(frame, name))


def _views(frame: Mapping, labels: TargetReader, origin: np.ndarray) -> list[View]:
    names = list(frame['images'])
    cam2img, ego2cam = frame_cameras(frame, names, 'ego')
    ego2img = cam2img @ ego2cam
    ground = MapGround.of_frame(frame, 'ego', origin)
    homography = ground_homography(torch.from_numpy(ego2img), ground.road.road2bev).numpy()
    views = []
    for n, name in enumerate(names):
        ids, confidence = read_view(frame, name, labels)
        camera_xy = (ground.plane2map @ [*np.linalg.inv(ego2cam[n])[:2, 3], 1])[:2]
        plane2img = homography[n] @ np.linalg.inv(ground.plane2map)
        heights = {}
        if not ground.road.is_plane:
            heights = dict(rise=ground.rise, up2img=ground.up2img(ego2img[n], plane2img))
        views.append(View(ids, confidence, plane2img, camera_xy, **heights))
    return views
