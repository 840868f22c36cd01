#!/usr/bin/env python
"""Check a prepared dataset before a long training: info files, images, calibration, maps, labels, pseudo-labels.

python tools/check_data.py --data-root data/nuscenes
python tools/check_data.py --data-root data/nuscenes --full --pseudo-labels data/nuscenes/pseudo_labels
python tools/check_data.py --data-root data/nuscenes --pictures work_dirs/check    # pictures to look at
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.preparation.checks import check_data


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_common('--data-root', '--root', type=Path, required=True)
    parser.add_argument('--info-root', type=Path, help='folder of info files and BEV labels; default: --data-root')
    parser.add_common('--infos', type=Path, help='info files; default: all ssl_bev_infos_*.pkl in --info-root')
    parser.add_argument(
        '--bev-labels',
        '--labels',
        nargs='*',
        type=Path,
        metavar='DIR',
        help='folders of BEV labels, or none; default: bev_labels in --info-root',
    )
    parser.add_common('--pseudo-labels', nargs='*', type=Path, default=[], help='folders of pseudo-labels')
    depth = parser.add_mutually_exclusive_group()
    depth.add_argument('--fast', action='store_true', help='open every image, look for every label (the default)')
    depth.add_argument('--full', action='store_true', help='read every image, lidar file and label whole')
    parser.add_argument('--sweeps', action='store_true', help='also the camera frames between the keyframes')
    parser.add_argument(
        '--pictures', type=Path, metavar='DIR', help='draw cameras and ground of some frames into this folder'
    )
    parser.add_argument(
        '--num-pictures', type=int, default=4, metavar='N', help='number of frames to draw (default: %(default)s)'
    )
    parser.add_common('--roads', type=Path, help='folder of tools/estimate_road.py, for the pictures')
    parser.add_common('--workers', default=None, help='threads; default: one per CPU')
    parser.add_argument('--max-messages', type=int, default=20, help='messages shown per check (default: %(default)s)')
    parser.add_common('--quiet')
    return parser.parse_args(arguments)


@input_errors()
def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format='%(levelname)s: %(message)s')
    folder = args.info_root or args.data_root
    info_files = args.infos or sorted(folder.glob('ssl_bev_infos_*.pkl'))
    if not info_files:
        raise FileNotFoundError(f'no ssl_bev_infos_*.pkl in {folder}; make them with tools/create_data.py')
    labels = [folder / 'bev_labels'] if args.bev_labels is None else args.bev_labels
    if args.bev_labels is None and not (folder / 'bev_labels').exists() and not (args.data_root / 'maps').exists():
        print(f'no BEV labels in {folder} and no maps in {args.data_root}: what pretraining needs is checked')
        labels = []
    report = check_data(
        args.data_root,
        info_files,
        label_dirs=labels,
        pseudo_labels=args.pseudo_labels,
        full=args.full,
        with_sweeps=args.sweeps,
        num_workers=args.workers,
        max_messages=args.max_messages,
        show_progress=not args.quiet,
        pictures=args.pictures,
        num_pictures=args.num_pictures,
        roads=args.roads,
    )
    print(report)
    if args.pictures:
        print(f'look at the pictures in {args.pictures}')
    print('all is well' if report.is_good else f'{report.errors.total()} errors')
    return 0 if report.is_good else 1


if __name__ == '__main__':
    sys.exit(main())
