#!/usr/bin/env python
"""Make BEV targets without BEV labels: all frames and cameras of a scene vote on the ground with their pseudo-labels.

python tools/accumulate_pseudo_labels.py --infos data/nuscenes/ssl_bev_infos_train.pkl --label-map mapillary_v1 \\
    --pseudo-labels data/nuscenes/pseudo_labels --out data/nuscenes/accumulated --workers 8

The same command continues where it stopped. `LoadAccumulatedTargets(root=OUT)` loads the result for training.
"""

from __future__ import annotations

import argparse

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.files.rules import number, text
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.accumulate_dataset import Accumulation, accumulate_dataset
from ssl_bev.pseudo_labels.arguments import add_label_arguments, labels_of, names_of


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_common('--infos', required=True)
    add_label_arguments(parser)
    parser.add_common('--out', required=True)
    parser.add_argument('--sweeps', action='store_true', help='also the camera frames between the keyframes')
    parser.add_argument('--single-frames', action='store_true', help='only the cameras of each frame, no voting')
    parser.add_argument('--x-range', nargs=2, type=float, default=(-30, 30), help='BEV range, metres')
    parser.add_argument('--y-range', nargs=2, type=float, default=(-15, 15), help='BEV range, metres')
    parser.add_argument('--cell-size', type=float, default=0.25, help='edge of a BEV cell, metres')
    parser.add_argument('--bev-frame', default='ego', choices=('ego', 'lidar'), help='frame of the targets')
    parser.add_common('--roads')
    parser.add_argument('--max-distance', type=float, default=30, help='from camera to ground, metres')
    for name, what, rule, example in (
        (
            '--line-width',
            'classes drawn as lines, and how wide, metres',
            number(0, 100, 'width in metres'),
            '{"marking": 0.5}',
        ),
        ('--edges', 'further lines: edges of a class', text, '{"boundary": "drivable"}'),
        ('--inside', 'lines without those along the edge of an area', text, '{"marking": "drivable"}'),
    ):
        parser.add_argument(name, default={}, help=f"{what}, such as '{example}'", **names_of(rule, example))
    parser.add_common('--workers', help='processes, each with one scene at a time (default: %(default)s)')
    parser.add_common('--quiet')
    return parser.parse_args(arguments)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    accumulation = Accumulation(
        labels_of(args),
        BEVGrid(tuple(args.x_range), tuple(args.y_range), args.cell_size),
        args.bev_frame,
        args.sweeps,
        args.single_frames,
        max_distance=args.max_distance,
        roads=args.roads,
        line_width=args.line_width,
        edges=args.edges,
        inside=args.inside,
    )
    counts = accumulate_dataset(args.infos, args.out, accumulation, args.workers, not args.quiet)
    print(f'{args.out}: {counts["written"]} frames written, {counts["there"]} were there')


if __name__ == '__main__':
    main()
