#!/usr/bin/env python
"""Draw pseudo-labels: contact sheets, class histogram, and the labels on the ground beside the BEV labels.

python tools/browse_pseudo_labels.py --infos data/nuscenes/ssl_bev_infos_train.pkl --data-root data/nuscenes \\
    --pseudo-labels data/nuscenes/pseudo_labels --label-map mapillary_v1 \\
    --bev-labels data/nuscenes/bev_labels --out sheets
"""

from __future__ import annotations

import argparse

from ssl_bev.apis.browse_pseudo_labels import browse_pseudo_labels
from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.preparation.accumulate_dataset import Accumulation
from ssl_bev.pseudo_labels.arguments import add_label_arguments, labels_of


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_common('--infos', required=True)
    parser.add_common('--data-root', required=True)
    add_label_arguments(parser)
    parser.add_argument('--bev-labels', metavar='DIR', help='folder of BEV labels to show beside them')
    parser.add_common('--out', required=True)
    parser.add_argument('--limit', type=int, default=8, metavar='N', help='how many frames, evenly spread')
    parser.add_common('--roads')
    parser.add_argument('--max-distance', type=float, default=30, help='from camera to ground, metres')
    return parser.parse_args(arguments)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    accumulation = Accumulation(labels_of(args), max_distance=args.max_distance, roads=args.roads)
    shares = browse_pseudo_labels(args.infos, args.data_root, args.out, accumulation, args.bev_labels, args.limit)
    for name, share in shares.items():
        print(f'{100 * share:8.3f} %  {name}')
    print(f'pictures are in {args.out}')


if __name__ == '__main__':
    main()
