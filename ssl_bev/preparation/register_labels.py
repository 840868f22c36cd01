"""BEV labels from a map that is first fitted, scene by scene, to the accumulated pseudo-labels of that scene."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssl_bev.datasets.bev_label_files import write_label, write_label_manifest
from ssl_bev.datasets.calibration import frame_poses, frame_road
from ssl_bev.datasets.road_files import RoadReader, add_roads
from ssl_bev.files import write_text
from ssl_bev.geometry import BEVGrid
from ssl_bev.pseudo_labels.manifest import MANIFEST, read_manifest
from ssl_bev.pseudo_labels.target_reader import TargetReader

from .accumulate_dataset import read_scenes
from .accumulate_scene import accumulate_scene
from .map_geometry import BASE_CLASSES, ClassSpec, MapGeometry
from .map_registration import Correction, register_map
from .rasterize import MapRasterizer
from .staging import staging_folder

CORRECTIONS = 'corrections.json'
# The classes of the map that each class of the evidence shows.
EVIDENCE = (
    ('drivable', ('drivable_area',)),
    ('marking', ('lane_divider', 'road_divider', 'stop_line')),
    ('crosswalk', ('ped_crossing',)),
)
# For a teacher without crossings, their stripes are paint.
_PAINTED_CROSSING = ('marking', ('ped_crossing',))
_CELL_SIZE = 0.25  # of the raster of a scene, metres
_MAX_DISTANCE = 20.0  # metres from camera to ground beyond which an image is not used


def register_scene(
    frames: Sequence[Mapping], geometry: MapGeometry, labels: TargetReader, line_width: float
) -> Correction:
    """The correction of the map around the frames of one scene, in the global frame.

    Args:
        frames: of the scene.
        geometry: the map of its location.
        labels: reads the pseudo-labels; its classes are some or all of `EVIDENCE`.
        line_width: of the drawn map lines in the comparison with paint, metres.

    Raises:
        FileNotFoundError: a missing pseudo-label.
        ValueError: a scene without any observation.
    """
    pairs = [pair for pair in EVIDENCE if pair[0] in labels.available]
    if 'marking' in labels.available and 'crosswalk' not in labels.available:
        pairs.append(_PAINTED_CROSSING)
    scene = accumulate_scene(frames, labels, _CELL_SIZE, _MAX_DISTANCE)
    against, favour = scene.evidence.votes
    weight = against + favour
    probability = np.divide(favour, weight, out=np.zeros_like(weight), where=weight > 0)
    grid = scene.evidence.grid
    masks = _draw_unions([names for _, names in pairs], geometry, grid, scene.origin, line_width)
    shown = [labels.classes.index(name) for name, _ in pairs]
    found = register_map(masks, probability[shown], weight[shown], grid)
    return found._replace(center=tuple(found.center + scene.origin))


def register_labels(
    info_files: Sequence[str | Path],
    map_root: str | Path,
    labels: Mapping,
    out: str | Path,
    grid: BEVGrid,
    classes: Sequence[ClassSpec] = BASE_CLASSES,
    line_width: float = 0.5,
    bev_frame: str = 'ego',
    show_progress: bool = True,
    roads: str | Path | None = None,
) -> dict[str, Correction]:
    """Write a folder of BEV labels, like tools/create_data.py, of maps that are fitted to the evidence.

    The folder also contains `corrections.json`: scene token -> motion of its map. A failed run leaves no files; an
    interrupted run continues with the missing scenes.

    Args:
        info_files: of tools/create_data.py.
        map_root: dataset with the maps in `maps/expansion`.
        labels: arguments of `TargetReader` without the classes: root, label_map and so on. Of drivable ground, markings
            and crossings, those that the teacher does not know are not compared.
        out: the label folder; must not exist yet.
        grid: cells of the BEV labels.
        classes: of the labels.
        line_width: of line classes that do not set their own, metres.
        bev_frame: 'ego' or 'lidar', the frame that the labels are in.
        show_progress: show a progress bar.
        roads: folder of tools/estimate_road.py; None: as the info files say, or else the plane under the wheels.

    Returns:
        The correction of each scene, by token.

    Raises:
        FileNotFoundError: no info file, map or pseudo-label.
        ValueError: an argument out of range, `out` that exists, or another run at the same time.
    """
    out = Path(out)
    if out.exists():
        raise ValueError(f'out must not exist yet, got {out}; choose another folder or delete it')
    scenes = read_scenes(info_files, with_sweeps=False)
    folder = Path(map_root) / 'maps' / 'expansion'
    locations = sorted({scene[0]['location'] for scene in scenes})
    if missing := [location for location in locations if not (folder / f'{location}.json').is_file()]:
        raise FileNotFoundError(
            f'map expansion not found: {folder} has none of the locations {missing}; registration moves the maps of '
            'nuScenes (unpack their map expansion, version 1.3, below maps/), and drives of your own have none'
        )
    geometries = {location: MapGeometry.read(folder / f'{location}.json') for location in locations}
    rasterizers = {name: MapRasterizer(geometries[name], grid, classes, line_width) for name in locations}
    reader = TargetReader(**labels, classes=[name for name, _ in EVIDENCE])
    inputs = dict(
        labels=repr(labels),
        infos=[str(path) for path in info_files],
        maps=str(folder),
        line_width=line_width,
        roads=RoadReader(roads).manifest if roads else None,
    )
    corrections = {}
    with staging_folder(out.parent, f'.{out.name}.register', inputs) as work:
        for frames in tqdm(scenes, 'registering', unit='scene', disable=not show_progress):
            token = frames[0]['scene_token']
            done = work / f'{token}.json'
            if not done.is_file():
                geometry = geometries[frames[0]['location']]
                found = register_scene(add_roads(frames, roads), geometry, reader, line_width)
                write_text(done, json.dumps(found._asdict()))
            corrections[token] = Correction(**json.loads(done.read_text()))
        target = work / out.name
        widths = {spec.name: spec.line_width or line_width for spec in classes if spec.kind != 'area'}
        names = [spec.name for spec in classes]
        made_with = registration_settings(labels, line_width, roads)
        write_label_manifest(target, names, grid, line_width, bev_frame, 'registered', widths, registration=made_with)
        for frames in scenes:
            for frame in add_roads(frames, roads):
                # Moving the map is the same as moving the frame in the opposite direction.
                pose = np.linalg.inv(_motion(corrections[frame['scene_token']])) @ frame_poses(frame, bev_frame)[0]
                masks = rasterizers[frame['location']](pose, frame_road(frame, bev_frame))
                write_label(target, frame['token'], masks)
        content = {token: correction._asdict() for token, correction in corrections.items()}
        write_text(target / CORRECTIONS, json.dumps(content, indent=1))
        os.replace(target, out)
    return corrections


def registration_settings(labels: Mapping, line_width: float, roads: str | Path | None) -> dict:
    """The contents of the manifest: everything that the corrections depend on, without paths of this machine.

    Raises:
        FileNotFoundError: no manifest of the pseudo-labels or of the roads.
    """
    manifest = labels.get('manifest', MANIFEST)
    return {
        'teacher': read_manifest(Path(labels['root']) / manifest)['teacher'] if manifest else None,
        'line_width': line_width,
        'roads': RoadReader(roads).manifest if roads else None,
        **{key: value for key, value in labels.items() if key not in ('root', 'teacher')},
    }


def _draw_unions(
    unions: Sequence[Sequence[str]], geometry: MapGeometry, grid: BEVGrid, origin: np.ndarray, line_width: float
) -> np.ndarray:  # (K, H, W) float32
    """Unions of map classes, drawn at twice the resolution and then averaged, so that edges are soft."""
    fine = MapRasterizer(geometry, grid.with_cell_size(grid.cell_size / 2), BASE_CLASSES, line_width)
    pose = np.eye(4)
    pose[:2, 3] = origin
    drawn = dict(zip([spec.name for spec in BASE_CLASSES], fine(pose, np.eye(4)), strict=True))
    height, width = grid.shape
    masks = np.stack([np.any([drawn[name] for name in names], 0) for names in unions])
    return masks.reshape(len(masks), height, 2, width, 2).mean((2, 4), dtype=np.float32)


def _motion(correction: Correction) -> np.ndarray:  # (4, 4)
    motion = np.eye(4)
    motion[np.ix_([0, 1, 3], [0, 1, 3])] = correction.matrix()
    return motion
