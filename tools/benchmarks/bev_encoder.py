"""Measure time and memory of the BEVFormer encoder, against the computation of the original, in one run.

python tools/benchmarks/bev_encoder.py --bev 100 100 --dims 256 --layers 3 --levels 1
python tools/benchmarks/bev_encoder.py --bev 100 100 --bf16 --checkpointing     # also ours with options
python tools/benchmarks/bev_encoder.py --bev 50 50 --bev 200 200 --ours-only    # how the cost grows

A step is one training step of the encoder at batch 1: projection, forward with history and dropout, backward to
queries, image features and weights. Six nuScenes cameras, images of 480x800, level 0 of 15x25 positions. Both sides
have the same weights and inputs; tests/projects/test_bevformer_original.py tests that their outputs are equal.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from measure import alternate, conditions, nuscenes_cameras
from original_encoder import OriginalEncoder

from projects.BEVFormer.bevformer import BEVFormerEncoder
from projects.BEVFormer.bevformer.reference_points import pillar_points, view_pillars
from projects.SyntheticNuScenes.synthetic_nuscenes.calibration import CAMERAS, LIDAR
from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.geometry import BEVGrid

IMAGE_SIZE = (480, 800)  # 450 x 800, padded
RANGE = (-51.2, 51.2)
Z_RANGE = (-5, 3)
OPTIONS = {
    'original': {},
    'ours': {},
    'ours, bf16': {'bf16': True},
    'ours, checkpointing': {'checkpointing': True},
}


def make_inputs(bev_shape: tuple[int, int], dims: int, levels: int) -> dict:
    """What both encoders are called with."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int, grad: bool = True) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).requires_grad_(grad)

    queries = bev_shape[0] * bev_shape[1]
    level_shapes = [(-(-15 // 2**level), -(-25 // 2**level)) for level in range(levels)]
    return dict(
        bev_query=draw(1, queries, dims),
        bev_pos=draw(1, queries, dims),
        bev_shape=bev_shape,
        features=draw(1, len(CAMERAS), sum(height * width for height, width in level_shapes), dims),
        level_shapes=level_shapes,
        history=draw(1, queries, dims, grad=False),
    )


def build(name: str, bev_shape: tuple[int, int], dims: int, layers: int, levels: int) -> Callable[[], dict[str, float]]:
    """The step of a contender, warmed up on 8 x 8 queries."""
    torch.manual_seed(0)
    model = dict(num_layers=layers, embed_dims=dims, num_levels=levels, feedforward_channels=2 * dims)
    ours = BEVFormerEncoder(**model, with_cp=OPTIONS[name].get('checkpointing', False))
    for layer in ours.layers:  # zero at first; in a trained network points follow the query
        for attention in (layer.attentions[0], layer.attentions[1].deformable_attention):
            torch.nn.init.normal_(attention.sampling_offsets.weight, std=0.02)
    encoder = ours
    if name == 'original':
        encoder = OriginalEncoder(**model)
        encoder.load_state_dict(ours.state_dict())
    autocast = torch.autocast('cpu', torch.bfloat16) if OPTIONS[name].get('bf16') else nullcontext()
    cameras = nuscenes_cameras(450, 800, LIDAR.sensor2ego)

    def prepare(bev_shape: tuple[int, int]) -> Callable[[], dict[str, float]]:
        inputs = make_inputs(bev_shape, dims, levels)
        grid = BEVGrid(RANGE, RANGE, (RANGE[1] - RANGE[0]) / bev_shape[0])
        points = pillar_points(grid, Z_RANGE, 4)

        def step() -> dict[str, float]:
            started = time.perf_counter()
            with autocast:
                if name == 'original':
                    output = encoder(**inputs, points=points, bev2img=cameras, image_size=IMAGE_SIZE)
                else:
                    output = encoder(**inputs, views=view_pillars(points, cameras, IMAGE_SIZE))
            forward = time.perf_counter() - started
            output.backward(output.detach())
            total = time.perf_counter() - started
            for tensor in (*encoder.parameters(), *inputs.values()):
                if isinstance(tensor, torch.Tensor):
                    tensor.grad = None
            return dict(forward=forward, forward_backward=total)

        return step

    prepare((8, 8))()
    return prepare(bev_shape)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--bev', nargs=2, type=int, action='append', metavar=('H', 'W'), help='rows and columns; repeatable'
    )
    parser.add_argument('--dims', type=int, default=256, help='channels')
    parser.add_argument('--layers', type=int, default=3, help='layers of the encoder')
    parser.add_argument('--levels', type=int, default=1, help='levels of image features')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads(), help="torch's threads")
    parser.add_argument('--repeats', type=int, default=3, help='number of turns')
    parser.add_argument('--bf16', action='store_true', help='measure ours under bf16 autocast as well')
    parser.add_argument('--checkpointing', action='store_true', help='measure ours with recomputed layers as well')
    parser.add_argument('--ours-only', action='store_true', help='leave the original out')
    parser.add_argument(
        '--keep-freed-memory', action='store_true', help='glibc keeps large freed blocks, for all sides'
    )
    parser.add_argument('--json', action='store_true', help=argparse.SUPPRESS)  # of before; it prints nothing else
    parser.add_argument('--out', type=Path, help='write the JSON to this file, too')
    args = parser.parse_args(arguments)
    shapes = [tuple(shape) for shape in args.bev or [(100, 100)]]
    if any(rows != columns for rows, columns in shapes):
        parser.error('--bev H W must be square: the cells are, over +-51.2 m')

    names = [
        *([] if args.ours_only else ['original']),
        'ours',
        *(['ours, bf16'] if args.bf16 else []),
        *(['ours, checkpointing'] if args.checkpointing else []),
    ]
    contenders = {
        (name, shape): (build, (name, shape, args.dims, args.layers, args.levels)) for shape in shapes for name in names
    }
    if args.keep_freed_memory:  # read by glibc when the contenders' processes start
        os.environ.update(MALLOC_MMAP_MAX_='0', MALLOC_TRIM_THRESHOLD_=str(2**40))
    measured = alternate(contenders, args.repeats, args.threads)
    result = dict(
        conditions=dict(conditions(args.threads, args.repeats), keep_freed_memory=args.keep_freed_memory),
        model=dict(dims=args.dims, layers=args.layers, levels=args.levels),
        results=[_row(name, shape, measured) for name, shape in contenders],
    )
    text = json.dumps(result, indent=1)
    if args.out:
        args.out.write_text(text + '\n')
    print(text)


def _row(name: str, shape: tuple[int, int], measured: dict) -> dict:
    figures = measured[name, shape]
    row = dict(encoder=name, bev=shape, **{key: round(value, 4) for key, value in figures.items()})
    row['microseconds_per_query'] = round(figures['forward_backward'] / (shape[0] * shape[1]) * 1e6, 1)
    row['cpu_microseconds_per_query'] = round(figures['cpu'] / (shape[0] * shape[1]) * 1e6, 1)
    original = measured.get(('original', shape))
    if original and name != 'original':
        row['times_faster'] = round(original['forward_backward'] / figures['forward_backward'], 2)
        row['times_faster_by_processor_time'] = round(original['cpu'] / figures['cpu'], 2)
        row['of_its_peak_increase'] = round(figures['peak_increase_mb'] / original['peak_increase_mb'], 3)
        row['of_its_peak_total'] = round(figures['peak_total_mb'] / original['peak_total_mb'], 3)
    return row


if __name__ == '__main__':
    main()
