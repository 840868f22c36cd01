#!/usr/bin/env python
"""Make a teacher worse: a copy of a pseudo-label folder with label noise, one folder for each level.

python tools/degrade_pseudo_labels.py --pseudo-labels data/nuscenes/pseudo_labels --label-map mapillary_v2 \\
    --levels L1 L2 L3 --out data/nuscenes/pseudo_labels_noise

writes `{out}_L1` and so on, and prints the IoU of each against the clean labels. Equal seeds give equal files.
"""

from __future__ import annotations

import argparse
import sys

from ssl_bev.pseudo_labels.degrade import degrade_pseudo_labels
from ssl_bev.pseudo_labels.noise import LEVELS


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--pseudo-labels', required=True, metavar='DIR', help='folder of the clean labels')
    parser.add_argument('--label-map', required=True, metavar='NAME', help='name or file of their label map')
    parser.add_argument('--out', required=True, metavar='PREFIX', help='folders are called {PREFIX}_{level}')
    parser.add_argument('--levels', nargs='+', default=list(LEVELS), choices=LEVELS, help='how much noise')
    parser.add_argument('--seed', type=int, default=0, help='chooses the errors')
    parser.add_argument('--workers', type=int, default=2, help='threads')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    for name in args.levels:
        iou = degrade_pseudo_labels(
            args.pseudo_labels,
            f'{args.out}_{name}',
            args.label_map,
            name,
            LEVELS[name],
            args.seed,
            workers=args.workers,
            show_progress=not args.quiet,
        )
        pixels = iou.pop('pixels')
        values = ', '.join(f'{key} {100 * value:.1f}' for key, value in iou.items())
        print(
            f'{args.out}_{name}: IoU against the clean labels (%): {values}; {100 * pixels:.1f} % of pixels unchanged'
        )


if __name__ == '__main__':
    try:
        main()
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
