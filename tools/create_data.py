#!/usr/bin/env python
"""Make info files and BEV labels from a nuScenes-format dataset, or from drives files that describe your own cameras.

python tools/create_data.py --data-root data/nuscenes --version v1.0-trainval --out data/nuscenes
python tools/create_data.py --data-root data/nuscenes --version v1.0-trainval --out data/nuscenes --labels-only \\
    --protocol bevfusion
python tools/create_data.py --data-root data/synthetic/truth --version v1.0-mini --out data/truth --labels-only
python tools/create_data.py --data-root data/own --drives data/own/drives.jsonl --out data/own    # docs/own_data.md
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.create_infos import BASE_CLASSES, LABEL_DIR, create_data
from ssl_bev.preparation.own_data import create_own_data
from ssl_bev.preparation.protocols import LabelProtocol

PROTOCOLS = Path(__file__).resolve().parents[1] / 'configs' / '_base_' / 'protocols'
DEFAULTS = dict(x_range=(-30, 30), y_range=(-15, 15), cell_size=0.25, line_width=0.5)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_common('--data-root', '--root', required=True)
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        '--version',
        default='v1.0-mini',
        help='nuScenes tables to read, a folder below --data-root (default: %(default)s)',
    )
    source.add_argument('--drives', nargs='+', metavar='JSONL', help='drives files to read instead')
    parser.add_common('--out', required=True, help='folder for ssl_bev_infos_*.pkl and bev_labels/')
    parser.add_common('--protocol')
    parser.add_argument(
        '--x-range',
        nargs=2,
        type=float,
        default=DEFAULTS['x_range'],
        help='BEV range forward, metres (default: %(default)s)',
    )
    parser.add_argument(
        '--y-range',
        nargs=2,
        type=float,
        default=DEFAULTS['y_range'],
        help='BEV range to the left, metres (default: %(default)s)',
    )
    parser.add_argument(
        '--cell-size',
        type=float,
        default=DEFAULTS['cell_size'],
        help='edge of a BEV cell, metres (default: %(default)s)',
    )
    parser.add_argument(
        '--line-width',
        type=float,
        default=DEFAULTS['line_width'],
        help='drawn width of dividers, metres (default: %(default)s)',
    )
    parser.add_argument(
        '--bev-frame', default='ego', choices=('ego', 'lidar'), help='frame of the BEV labels (default: %(default)s)'
    )
    parser.add_argument(
        '--max-sweeps', type=int, default=5, help='unlabelled camera frames kept per keyframe (default: %(default)s)'
    )
    parser.add_argument('--every', type=int, default=1, help='drives: every n-th frame becomes a keyframe')
    parser.add_argument(
        '--min-distance', type=float, default=0.0, help='drives: least distance driven between keyframes, metres'
    )
    parser.add_argument('--exclude-scenes', nargs='+', default=[], metavar='SCENE', help='names of scenes to leave out')
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument('--labels-only', action='store_true', help='no info files; the dataset needs no images')
    parts.add_argument('--infos-only', action='store_true', help='no BEV labels; the dataset needs no maps')
    parser.add_common('--quiet')
    args = parser.parse_args(arguments)
    changed = [f'--{name.replace("_", "-")}' for name, value in DEFAULTS.items() if getattr(args, name) != value]
    if args.protocol and changed:
        parser.error(f'--protocol sets grid and line widths; leave out {", ".join(changed)}')
    if args.drives and (args.protocol or '--line-width' in changed):
        parser.error('--protocol and --line-width draw maps of nuScenes; labels of drives come from their rasters')
    if not args.drives and (args.every != 1 or args.min_distance):
        parser.error('--every and --min-distance need --drives')
    return args


def label_content(args: argparse.Namespace) -> LabelProtocol:
    if args.protocol is None:
        grid = BEVGrid(tuple(args.x_range), tuple(args.y_range), args.cell_size)
        return LabelProtocol(LABEL_DIR, grid, BASE_CLASSES)
    return LabelProtocol.read(args.protocol, PROTOCOLS)


def create(args: argparse.Namespace) -> dict[str, int]:
    content = label_content(args)
    common = dict(
        grid=content.grid,
        label_dir=content.label_dir,
        bev_frame=args.bev_frame,
        max_sweeps=args.max_sweeps,
        labels_only=args.labels_only,
        infos_only=args.infos_only,
        exclude_scenes=args.exclude_scenes,
        show_progress=not args.quiet,
    )
    if args.drives:
        keyframes = dict(every=args.every, min_distance=args.min_distance)
        return create_own_data(args.data_root, args.drives, args.out, **keyframes, **common)
    drawn = dict(classes=content.classes, line_width=args.line_width)
    return create_data(args.data_root, args.version, args.out, **drawn, **common)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format='%(levelname)s: %(message)s')
    counts = create(args)
    print(f'{args.out}: ' + ', '.join(f'{count} {split} frames' for split, count in counts.items()))


if __name__ == '__main__':
    main()
