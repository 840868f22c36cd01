#!/usr/bin/env python
"""Write a small synthetic dataset in the nuScenes format.

python projects/SyntheticNuScenes/create.py --out data/synthetic --scenes 10 --frames 20 --sweeps 2
python projects/SyntheticNuScenes/create.py --out data/noisy --annotation-noise nuscenes --terrain hilly
python projects/SyntheticNuScenes/create.py --out data/real_town --map maps/expansion/boston-seaport.json
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.SyntheticNuScenes.synthetic_nuscenes.annotation_noise import NOISE_MODES
from projects.SyntheticNuScenes.synthetic_nuscenes.generate import generate
from projects.SyntheticNuScenes.synthetic_nuscenes.scene_plan import SPLITS, VERSIONS, Options
from projects.SyntheticNuScenes.synthetic_nuscenes.terrain import TERRAIN_KINDS
from ssl_bev.command_line import CommandParser, input_errors


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_common('--out', type=Path, required=True, help='new folder for the dataset')
    parser.add_argument('--version', choices=list(VERSIONS), default='v1.0-mini', help='official scene names to use')
    parser.add_argument('--scenes', type=int, default=10, help='number of scenes, a fifth of them for validation')
    parser.add_argument('--frames', type=int, default=20, help='keyframes per scene, at 2 Hz')
    parser.add_argument('--sweeps', type=int, default=0, help='unlabelled camera frames between keyframes (0..5)')
    parser.add_argument(
        '--image-size',
        type=int,
        nargs=2,
        default=(128, 352),
        metavar=('H', 'W'),
        help='1600x900 scaled to width W and cropped at the top to H rows (default: 128 352)',
    )
    parser.add_argument('--seed', type=int, default=0, help='random seed of everything')
    parser.add_argument(
        '--annotation-noise',
        choices=NOISE_MODES,
        default='none',
        help='whether published map and poses deviate from the world (the truth is in OUT/truth)',
    )
    parser.add_argument('--terrain', choices=TERRAIN_KINDS, default='flat', help='shape of the ground')
    parser.add_argument(
        '--map',
        dest='maps',
        type=Path,
        nargs='+',
        default=[],
        metavar='FILE',
        help='map expansions (version 1.3) of the towns to render, real or converted, instead of generated ones',
    )
    parser.add_argument(
        '--split',
        choices=SPLITS,
        default='all',
        help="towns: 'all' is train and val, 'teacher' is a third one (default: %(default)s)",
    )
    parser.add_common('--workers', default=None, help='processes; default: one per CPU')
    return parser.parse_args(arguments)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = vars(parse_args(arguments))
    workers = args.pop('workers')
    print(f'wrote {generate(Options(**args), workers)}')


if __name__ == '__main__':
    main()
