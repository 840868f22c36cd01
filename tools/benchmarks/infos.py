"""Measure time and memory of opening an info file of the size of nuScenes, mapped against read completely.

python tools/benchmarks/infos.py --out /tmp/infos               # 700 scenes of 40 keyframes with 5 sweeps
python tools/benchmarks/infos.py --out /tmp/infos --scenes 70   # a tenth

The table is synthetic and is written once: random numbers instead of poses, matrices and boxes, six cameras. A dataset
with windows of three frames is opened in a separate process each time: once reading the whole file, once writing the
cache, then mapping it. Memory is what the process uses beyond its imports, shared and unshared.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
from measure import conditions, memory_mb

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.datasets import BEVDataset, info_cache
from ssl_bev.preparation.create_infos import write_infos

CAMERAS = ('CAM_FRONT', 'CAM_FRONT_RIGHT', 'CAM_FRONT_LEFT', 'CAM_BACK', 'CAM_BACK_LEFT', 'CAM_BACK_RIGHT')
KEYFRAMES = 40  # of a scene
BOXES = 34  # of a keyframe, on average in nuScenes


def make_infos(path: Path, scenes: int, sweeps: int, seed: int = 0) -> None:
    """Write an info file of this many scenes with the fields that tools/create_data.py writes."""
    random = np.random.default_rng(seed)
    # As in real files, frames share the lists of a sensor.
    sensors = {camera: dict(cam2img=_matrix(random, 3), cam2ego=_matrix(random)) for camera in CAMERAS}
    lidar = _matrix(random)
    frames = []
    for scene in range(scenes):
        scene_token, start = _token(random), 1.5e9 + 100.0 * scene
        for index in range(KEYFRAMES):
            shared = dict(
                scene_token=scene_token, scene_name=f'scene-{scene:04}', frame_index=index, location='nowhere'
            )
            group = [
                dict(
                    token=_token(random),
                    timestamp=start + (index + number / (sweeps + 1)) / 2,
                    ego2global=_matrix(random),
                    images={camera: _image(random, camera, sensors[camera]) for camera in CAMERAS},
                    instances=[] if number else [_box(random) for _ in range(BOXES)],
                    prev=_token(random),
                    next=_token(random),
                    is_keyframe=number == 0,
                    lidar_points=dict(
                        num_pts_feats=5, lidar_path=f'samples/LIDAR_TOP/{_token(random)}', lidar2ego=lidar
                    ),
                    **shared,
                )
                for number in range(sweeps + 1)
            ]
            frames.append({**group[0], 'sweeps': group[1:]})
    write_infos(path, frames, 'synthetic', f'{scenes} scenes')


def _token(random: np.random.Generator) -> str:
    return random.bytes(16).hex()


def _matrix(random: np.random.Generator, size: int = 4) -> list[list[float]]:
    return random.standard_normal((size, size)).tolist()


def _image(random: np.random.Generator, camera: str, sensor: dict) -> dict:
    token = _token(random)
    return dict(
        img_path=f'samples/{camera}/n015-2018-07-24-11-22-45+0800__{camera}__{token[:16]}.jpg',
        height=900,
        width=1600,
        lidar2cam=_matrix(random),
        sample_data_token=token,
        timestamp=random.random(),
        **sensor,
    )


def _box(random: np.random.Generator) -> dict:
    return dict(
        bbox_label=int(random.integers(10)),
        bbox_3d=random.standard_normal(7).tolist(),
        velocity=random.standard_normal(2).tolist(),
        num_lidar_pts=int(random.integers(100)),
        bbox_3d_isvalid=True,
    )


def measure_opening(path: Path, frames: str, mapped: bool, accesses: int) -> dict[str, float]:
    """Seconds and memory of opening the file as a dataset, and of reading windows at random, in this process."""
    info_cache.MIN_SIZE = 0 if mapped else float('inf')
    before = {field: memory_mb(field) for field in ('RssAnon', 'RssFile')}
    started, cpu = time.perf_counter(), time.process_time()
    dataset = BEVDataset(str(path), [], num_frames=3, frames=frames, with_labels=False)
    figures = dict(open_s=time.perf_counter() - started, open_cpu_s=time.process_time() - cpu)
    figures['peak_mb'] = memory_mb('VmHWM') - sum(before.values())
    order = np.random.default_rng(0).integers(len(dataset), size=accesses)
    for index in order[: accesses // 10]:
        dataset.get_data_info(int(index))
    cpu = time.process_time()
    for index in order:
        dataset.get_data_info(int(index))
    figures['access_us'] = (time.process_time() - cpu) / accesses * 1e6
    figures['unshared_mb'] = memory_mb('RssAnon') - before['RssAnon']
    figures['shared_mb'] = memory_mb('RssFile') - before['RssFile']
    return dict(samples=len(dataset), **{name: round(value, 3) for name, value in figures.items()})


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    os.environ['SSL_BEV_CACHE'] = str(args.out)
    path = args.out / f'infos_{args.scenes}_{args.sweeps}.pkl'
    if not path.is_file():
        make_infos(path, args.scenes, args.sweeps)
    context = multiprocessing.get_context('spawn')
    results = {}
    for frames in ('keyframes', 'all') if args.sweeps else ('keyframes',):
        info_cache.cache_path(path).unlink(missing_ok=True)
        for name, mapped in (('read whole', False), ('first process', True), ('further process', True)):
            with context.Pool(1) as pool:
                results[f'{frames}, {name}'] = pool.apply(measure_opening, (path, frames, mapped, args.accesses))
    sizes = {name: round(file.stat().st_size / 2**20) for name, file in _files(path).items()}
    print(json.dumps(dict(results=results, megabytes=sizes, **conditions(1, 1)), indent=1))


def _files(path: Path) -> dict[str, Path]:
    return dict(infos=path, cache=info_cache.cache_path(path))


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_common('--out', '--folder', type=Path, required=True, help='folder for table and cache')
    parser.add_argument(
        '--scenes', type=int, default=700, help='scenes of 40 keyframes (default: %(default)s, as in training)'
    )
    parser.add_argument('--sweeps', type=int, default=5, help='sweeps per keyframe (default: %(default)s)')
    parser.add_argument('--accesses', type=int, default=2000, help='windows that are read (default: %(default)s)')
    return parser.parse_args(arguments)


if __name__ == '__main__':
    main()
