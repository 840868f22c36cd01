"""Check that BEV labels exist and match their manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssl_bev.datasets.bev_label_files import label_path, read_label, read_label_manifest

from ..known_issues import OFF_ROAD_SCENES
from .report import Report
from .settings import Settings

ROAD_CLASSES = ('drivable_area', 'drivable')


def check_bev_labels(
    folder: Path,
    scenes: Sequence[Sequence[Mapping]],
    versions: Mapping[str, str | None],
    settings: Settings,
    report: Report,
) -> None:
    """Check the labels of all keyframes.

    Args:
        folder: of the labels.
        scenes: keyframes of each scene.
        versions: of the dataset, by info file.
        settings: of the checks.
        report: gets the counts, errors and warnings.
    """
    check = f'BEV labels {folder.name}'
    try:
        manifest = read_label_manifest(folder)
    except (OSError, ValueError) as error:
        report.error(check, str(error))
        return
    for path, version in versions.items():
        if version != manifest.get('version', version):
            report.error(check, f'{folder} was made from {manifest["version"]}, {path} from {version}')
    present = np.zeros(len(manifest['classes']), bool)
    for scene in tqdm(scenes, check, unit='scene', disable=not settings.show_progress):
        report.count(check, len(scene))
        off_road = 0
        for frame in scene:
            if not settings.full and frame is not scene[0]:
                path = label_path(folder, frame['token'])
                if not path.is_file() or not path.stat().st_size:
                    report.error(check, f'BEV label of frame {frame["token"]} is missing or empty: {path}')
                continue
            try:
                labels = read_label(folder, frame['token'], manifest)
            except (OSError, ValueError) as error:
                report.error(check, str(error))
                continue
            present |= (labels == 1).any((1, 2))
            off_road += _is_off_road(labels, manifest)
        if off_road:
            name = scene[0]['scene_name']
            known = ', which is known of this scene' if name in OFF_ROAD_SCENES else ''
            report.warn(check, f'{name}: the ego car is off the drivable area in {off_road} labels{known}')
    missing = [name for name, there in zip(manifest['classes'], present, strict=True) if not there]
    if missing and settings.full and scenes:
        report.warn(check, f'classes {missing} are in no label of {folder}')


def _is_off_road(labels: np.ndarray, manifest: Mapping) -> bool:
    """True if the cell of the ego car is known and not drivable."""
    grid, classes = manifest['grid'], manifest['classes']
    road = next((k for k, name in enumerate(classes) if name in ROAD_CLASSES), None)
    covers_car = grid.x_range[0] < 0 < grid.x_range[1] and grid.y_range[0] < 0 < grid.y_range[1]
    if not covers_car or road is None:
        return False
    row, column = (int(-low / grid.cell_size) for low in (grid.y_range[0], grid.x_range[0]))
    return labels[road, row, column] == 0
