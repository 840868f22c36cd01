"""Measure images per second of the data pipeline of a config, by stage and in total, against decoding the files alone.

python tools/benchmarks/data.py configs/synthetic/bevformer_ssl_pretrain.py
python tools/benchmarks/data.py CONFIG --loader labelled_dataloader --workers 0 2 4

Stages are measured in one process, in processor time, so that other load on the machine has little influence;
decoding alone (`cv2.imread`) takes turns with them. The total is elapsed time of the dataloader with its workers.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping

import cv2
import torch
from measure import conditions
from mmdet3d.registry import DATASETS
from mmdet3d.utils import register_all_modules
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.engine import load_config
from ssl_bev.engine.seeding import seed_everything


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--loader', default='train_dataloader', help='dataloader of the config (default: %(default)s)')
    parser.add_argument('--samples', type=int, default=24, help='measured samples; three more come first')
    parser.add_argument('--workers', type=int, nargs='*', help='numbers of workers to try; default: that of the config')
    return parser.parse_args(arguments)


def benchmark_stages(dataset_config: Mapping, samples: int) -> dict:
    """Processor time per image of each stage, in the order of the pipeline; medians over samples."""
    dataset = DATASETS.build(dataset_config)
    seconds: dict[str, list[float]] = defaultdict(list)
    for index in _positions(len(dataset), samples):
        with _Timer(seconds['window']):
            results = dataset.get_data_info(index)
        frames, names = results['frames'], results['camera_names']
        for transform in dataset.pipeline.transforms:
            with _Timer(seconds[type(transform).__name__]):
                results = transform(results)
        with _Timer(seconds['collate']):
            pseudo_collate([results])
        paths = {path for row in results['data_samples'].img_paths for path in row}
        with _Timer(seconds['bare decoding']):
            for path in paths:
                cv2.imread(path)
    images = len(frames) * len(names)
    per_image = {stage: statistics.median(values[3:]) / images for stage, values in seconds.items()}
    bare = per_image.pop('bare decoding')
    return dict(
        images_per_sample=images,
        milliseconds_per_image={stage: round(1e3 * value, 3) for stage, value in per_image.items()},
        bare_decoding_milliseconds=round(1e3 * bare, 3),
        ratio_to_bare_decoding=round(sum(per_image.values()) / bare, 2),
        images_per_cpu_second=round(1 / sum(per_image.values()), 1),
    )


def benchmark_workers(loader_config: Mapping, workers: int, samples: int, images: int) -> float:
    """Images a second of the dataloader, the start of its workers and its first batch not counted."""
    config = dict(loader_config) | dict(num_workers=workers)
    if workers == 0:
        config |= dict(persistent_workers=False)
    loader = Runner.build_dataloader(config, seed=0)
    batches = iter(loader)
    next(batches)
    start, done = time.perf_counter(), 0
    for batch in itertools.islice(batches, samples):
        done += len(batch['data_samples'])
    return images * done / (time.perf_counter() - start)


class _Timer:
    def __init__(self, into: list[float]) -> None:
        self.into = into

    def __enter__(self) -> None:
        self.start = time.process_time()

    def __exit__(self, *_: object) -> None:
        self.into.append(time.process_time() - self.start)


def _positions(length: int, samples: int) -> list[int]:
    """Spread over the whole dataset, so that few windows repeat a scene's first frame; three to warm up."""
    return [(i * 7919) % length for i in range(samples + 3)]


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    config = load_config(args.config)
    register_all_modules(init_default_scope=False)
    if args.loader not in config:
        raise ValueError(f'--loader: {args.config} has no {args.loader}')
    loader = config[args.loader]
    torch.set_num_threads(1)
    cv2.setNumThreads(config.env_cfg.mp_cfg.opencv_num_threads)
    seed_everything(0)
    result = benchmark_stages(loader.dataset, args.samples)
    tried = [loader.num_workers] if args.workers is None else args.workers
    result['images_per_second_by_workers'] = {
        workers: round(benchmark_workers(loader, workers, args.samples, result['images_per_sample']), 1)
        for workers in tried
    }
    result |= dict(config=args.config, loader=args.loader) | conditions(1, args.samples)
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
