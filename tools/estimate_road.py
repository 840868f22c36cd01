#!/usr/bin/env python
"""Estimate the ground of each frame: a plane, and heights over it.

python tools/estimate_road.py --infos data/nuscenes/ssl_bev_infos_*.pkl --out data/nuscenes/roads \\
    --source lidar --data-root data/nuscenes --workers 8
python tools/estimate_road.py --infos INFOS --out DIR --source labels --pseudo-labels DIR --label-map mapillary_v1
python tools/estimate_road.py --infos INFOS --out DIR --source poses

Lidar is best. Without it, use labels (the road on which the labels of neighbouring frames agree) or poses (the path of
the vehicle, whose wheels touch the ground). The same command continues where it stopped. A dataset takes the result as
`roads='roads'`, tools take it as --roads DIR.
"""

from __future__ import annotations

import argparse
import sys

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.estimate_roads import DEFAULT_GRID, SOURCES, RoadEstimation, estimate_roads
from ssl_bev.preparation.road_model import POSES, RoadBelief

MUCH_DEGREES, MUCH_METRES = 6.0, 3.0
HARDLY_BETTER = 0.85
HARDLY_SEEN = 0.1


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_common('--infos', required=True)
    parser.add_common('--out', required=True)
    parser.add_argument('--source', required=True, choices=SOURCES, help='data to estimate the ground from')
    parser.add_common('--data-root', help='folder that lidar paths are relative to; for lidar')
    parser.add_common('--pseudo-labels', help='folder of pseudo-labels; for labels')
    parser.add_common('--label-map', help='name or file of the label map; for labels')
    parser.add_argument('--classes', nargs='+', default=['drivable', 'marking', 'crosswalk'], help='for labels')
    parser.add_argument('--min-confidence', type=float, default=0.5, help='of the teacher, 0 to 1; lower: ignored')
    parser.add_argument(
        '--poses', choices=POSES, default='auto', help='whether poses contain height and tilt, see RoadBelief'
    )
    parser.add_argument('--sweeps', action='store_true', help='also the frames between the keyframes')
    parser.add_argument('--planes-only', action='store_true', help='no heights: fast, and enough for even slopes')
    parser.add_argument('--x-range', nargs=2, type=float, default=DEFAULT_GRID.x_range, help='of heights, metres')
    parser.add_argument('--y-range', nargs=2, type=float, default=DEFAULT_GRID.y_range, help='of heights, metres')
    parser.add_argument('--cell-size', type=float, default=DEFAULT_GRID.cell_size, help='of heights, metres')
    parser.add_common('--workers', help='processes, each with one scene at a time (default: %(default)s)')
    parser.add_common('--quiet')
    return parser.parse_args(arguments)


def doubts(report: dict) -> list[str]:
    """Warnings about the road of a scene, from its report."""
    found = []
    angle = max(report['pitch_degrees'][1], report['roll_degrees'][1])
    if angle > MUCH_DEGREES or report['height_ahead'] > MUCH_METRES:
        found.append('steeper than roads are against their vehicles; look at it')
    if report.get('seen', 1.0) < HARDLY_SEEN:
        found.append(f'lidar points on {report["seen"]} of the ground within 30 m; look at it, or take --source labels')
    before, after = (report.get(f'disagreement_{name}', 0.0) for name in ('poses', 'labels'))
    if after > HARDLY_BETTER * before:
        found.append(
            f'labels agree hardly better on this road ({after}) than on that of the poses ({before}): they say little '
            'of the ground; prefer --source lidar, or poses'
        )
    return found


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    labels = None
    if args.pseudo_labels and args.label_map:
        labels = dict(
            root=args.pseudo_labels,
            label_map=args.label_map,
            classes=args.classes,
            min_confidence=args.min_confidence,
        )
    estimation = RoadEstimation(
        args.source,
        args.data_root,
        labels if args.source == 'labels' else None,
        BEVGrid(tuple(args.x_range), tuple(args.y_range), args.cell_size),
        args.sweeps,
        args.planes_only,
        RoadBelief(poses=args.poses),
    )
    reports = estimate_roads(args.infos, args.out, estimation, args.workers, not args.quiet)
    for name, report in reports.items():
        print(f'{name}: ' + ', '.join(f'{key} {value}' for key, value in report.items()))
        for doubt in doubts(report):
            print(f'warning: {name}: {doubt}', file=sys.stderr)
    print(f'{args.out}: the roads of {sum(report["frames"] for report in reports.values())} frames')


if __name__ == '__main__':
    main()
