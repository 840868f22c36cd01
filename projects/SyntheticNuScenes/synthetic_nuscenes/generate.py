"""Generate a synthetic dataset in the nuScenes format."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
from tqdm import tqdm

from .annotation_noise import publish_map
from .basemap import write_basemaps
from .lane_graph import LaneGraph
from .map_expansion import MapContent, MapGeometry, read_map, token, write_map
from .scene_plan import TOWNS, Options, ScenePlan, derive_seed, place_maps, plan_scenes
from .scene_recorder import SceneRecorder, oracle_writer
from .tables import BASEMAPS, CHANNELS, Record, Tables, merge, shared_tables, write_tables
from .town import make_town

_MARKER = '.synthetic_nuscenes_in_progress'


def generate(options: Options, workers: int | None = None, show_progress: bool = True) -> Path:
    """Write a dataset and return its folder.

    The dataset is written under a temporary name and renamed at the end, so ``options.out`` is complete or missing.

    Args:
        options: What to generate; equal options give equal files, for any number of workers.
        workers: Processes; None takes one per CPU.
        show_progress: Whether to draw a progress bar.

    Raises:
        ValueError: If ``options.out`` is there and not empty, or ``workers`` is under 1.
        FileNotFoundError: If a map isn't there.
    """
    workers = workers if workers is not None else len(os.sched_getaffinity(0))
    if workers < 1:
        raise ValueError(f'workers must be at least 1, got {workers}')
    plans = plan_scenes(options)
    towns = _make_towns(options, {plan.location for plan in plans})
    partial = _claim(options.out)
    _write_maps(options, towns, partial)
    for channel in CHANNELS:
        (partial / 'samples' / channel).mkdir(parents=True)
        if options.sweeps and channel != 'LIDAR_TOP':
            (partial / 'sweeps' / channel).mkdir(parents=True)
    for folder in ('samples', 'sweeps') if options.sweeps else ('samples',):
        # Tools also find the images from truth/, without a copy.
        (partial / 'truth' / folder).symlink_to(Path('..') / folder, target_is_directory=True)
    oracle_writer(partial)
    parts = _record_scenes(options, plans, partial, workers, show_progress)
    oracle_writer(partial).close()
    maps = _map_table(plans, options, towns)
    for folder, tables in zip((partial, partial / 'truth'), zip(*parts, strict=True), strict=True):
        merged = merge([shared_tables(), *tables])
        merged['map'] = maps
        write_tables(merged, folder / options.version)
    _write_readme(options, plans, partial)
    (partial / _MARKER).unlink()
    if options.out.is_dir():
        options.out.rmdir()
    partial.rename(options.out)
    return options.out


def _claim(out: Path) -> Path:
    """Return an empty folder to write to, in place of what an interrupted run left."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f'out must be a new or an empty folder, but {out} is not: choose another or delete it')
    partial = out.with_name(out.name + '.partial')
    if partial.exists():
        if not (partial / _MARKER).is_file():
            raise ValueError(f'{partial} is in the way, and no run of this program left it: delete or rename it')
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    (partial / _MARKER).touch()
    return partial


def _make_towns(options: Options, locations: set[str]) -> dict[str, MapContent]:
    """Return the true map of every location in use."""
    if not options.maps:
        return {
            location: make_town(derive_seed(options.seed, split), cells)
            for split, (location, cells) in TOWNS.items()
            if location in locations
        }
    paths = {location: path for location, path in place_maps(options.maps).items() if location in locations}
    return {location: _read_drivable(path) for location, path in paths.items()}


def _read_drivable(path: Path) -> MapContent:
    content = read_map(path)
    try:
        if not MapGeometry(content).polygons('drivable_area'):
            raise ValueError("the layer 'drivable_area' has no area, so there is no road to draw")
        LaneGraph(content)
    except ValueError as error:
        raise ValueError(f'map {path}: {error}') from error
    return content


def _write_maps(options: Options, towns: dict[str, MapContent], root: Path) -> None:
    for location, content in towns.items():
        published = publish_map(content, derive_seed(options.seed, location), options.annotation_noise)
        for folder, version in ((root, published), (root / 'truth', content)):
            write_map(version, folder / 'maps' / 'expansion' / f'{location}.json')
            write_basemaps(MapGeometry(version), folder / 'maps', BASEMAPS[location], location)


def _map_table(plans: list[ScenePlan], options: Options, towns: dict[str, MapContent]) -> list[Record]:
    return [
        {
            'token': token('map', options.seed, location),
            'log_tokens': [token(options.seed, location, p.name, 'log') for p in plans if p.location == location],
            'category': 'semantic_prior',
            'filename': f'maps/{BASEMAPS[location]}.png',
        }
        for location in towns
    ]


def _record_scenes(
    options: Options, plans: list[ScenePlan], root: Path, workers: int, show_progress: bool
) -> list[tuple[Tables, Tables]]:
    record = functools.partial(_record, options, root=root)
    bar = functools.partial(tqdm, desc='rendering', total=len(plans), unit='scene', disable=not show_progress)
    if workers == 1:
        return list(bar(map(record, plans)))
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(min(workers, len(plans)), context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        return list(bar(pool.map(record, plans)))


def _record(options: Options, plan: ScenePlan, root: Path) -> tuple[Tables, Tables]:
    content = _read_town(root / 'truth' / 'maps' / 'expansion' / f'{plan.location}.json')
    return SceneRecorder(plan, options, content, root).record()


@functools.lru_cache(maxsize=4)
def _read_town(path: Path) -> MapContent:
    return read_map(path)


def _write_readme(options: Options, plans: list[ScenePlan], root: Path) -> None:
    """Write a note that these data are synthetic, with the settings."""
    settings = {
        'synthetic': True,
        'generator': 'projects/SyntheticNuScenes',
        'version': options.version,
        'seed': options.seed,
        'split': options.split,
        'image_size': list(options.image_size),
        'annotation_noise': options.annotation_noise,
        'scenes': [
            {'name': p.name, 'location': p.location, 'look': p.look, 'terrain': options.terrain, 'terrain_seed': p.seed}
            for p in plans
        ],
    }
    (root / 'synthetic.json').write_text(json.dumps(settings, indent=1))
