#!/usr/bin/env python
"""Fuse two teachers' labels of the same images: one that knows road and paint, one that knows what hides the road.

python tools/fuse_pseudo_labels.py data/nuscenes/labels_road data/nuscenes/labels_city --out data/nuscenes/labels \\
    --road-names road_segmentation_adas_to_mapillary_v1 --other-names cityscapes_to_mapillary_v1

The rule is in docs/teachers.md. The same command continues where it stopped.
"""

from __future__ import annotations

import argparse

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.pseudo_labels.fuse import fuse_pseudo_labels


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_argument('road', metavar='ROAD', help='folder of the teacher that knows road and paint')
    parser.add_argument('other', metavar='OTHER', help='folder of the teacher that knows what hides the road')
    parser.add_common('--out', required=True)
    parser.add_argument(
        '--firm', type=float, default=0.7, help='confidence from which the road teacher is never overruled'
    )
    for name in ('road', 'other'):
        parser.add_argument(
            f'--{name}-names',
            default='mapillary_v2_to_v1',
            metavar='TABLE',
            help=f'table from class names of {name.upper()} to Mapillary v1; default: for names of Mapillary',
        )
    parser.add_common('--workers', default=2, help='threads (default: %(default)s)')
    parser.add_common('--quiet')
    return parser.parse_args(arguments)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    fused = fuse_pseudo_labels(
        args.road,
        args.other,
        args.out,
        args.firm,
        args.road_names,
        args.other_names,
        args.workers,
        show_progress=not args.quiet,
    )
    print(f'{args.out}: {fused.written} images fused, {fused.skipped} were fused before')
    if fused.written:
        print(f'{100 * fused.ignored:.1f} % of the pixels fused now are ignored')


if __name__ == '__main__':
    main()
