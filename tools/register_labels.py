#!/usr/bin/env python
"""Draw BEV labels from a map that is first fitted to the pseudo-labels of each scene.

python tools/register_labels.py --infos data/nuscenes/ssl_bev_infos_*.pkl --data-root data/nuscenes \\
    --label-map mapillary_v1 --pseudo-labels data/nuscenes/pseudo_labels --out data/nuscenes/bev_labels_registered
python tools/register_labels.py ... --truth data/synthetic_nuscenes/truth/bev_labels     # if the truth is known

Train on them with `label_dir='bev_labels_registered'` of the dataset. `corrections.json` lists how each map was moved.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.label_agreement import label_iou
from ssl_bev.preparation.map_geometry import BASE_CLASSES
from ssl_bev.preparation.protocols import LabelProtocol
from ssl_bev.preparation.register_labels import register_labels

PROTOCOLS = Path(__file__).resolve().parents[1] / 'configs' / '_base_' / 'protocols'


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_common('--infos', required=True)
    parser.add_common('--data-root', '--root', required=True, help='dataset with maps/expansion/')
    parser.add_common('--pseudo-labels', required=True)
    parser.add_common('--label-map', required=True)
    parser.add_common('--out', required=True, type=Path, help='new folder for the BEV labels')
    parser.add_argument('--min-confidence', type=float, default=0.5, help='of the teacher, 0 to 1; lower: no vote')
    parser.add_common('--protocol')
    parser.add_argument('--line-width', type=float, default=0.5, help='drawn width of dividers, metres')
    parser.add_common('--roads')
    parser.add_argument('--bev-frame', default='ego', choices=('ego', 'lidar'), help='frame of the BEV labels')
    parser.add_argument('--truth', metavar='DIR', help='exact labels of the same frames, to compare with')
    parser.add_common('--quiet')
    return parser.parse_args(arguments)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    grid, classes = BEVGrid((-30, 30), (-15, 15), 0.25), BASE_CLASSES
    if args.protocol:
        protocol = LabelProtocol.read(args.protocol, PROTOCOLS)
        grid, classes = protocol.grid, protocol.classes
    labels = dict(root=args.pseudo_labels, label_map=args.label_map, min_confidence=args.min_confidence)
    content = (grid, classes, args.line_width, args.bev_frame)
    corrections = register_labels(args.infos, args.data_root, labels, args.out, *content, not args.quiet, args.roads)
    offsets = np.array([np.hypot(*correction.offset) for correction in corrections.values()])
    turns = np.degrees([abs(correction.rotation) for correction in corrections.values()])
    print(
        f'{args.out}: the maps of {len(corrections)} scenes were moved by {offsets.mean():.2f} m (at most '
        f'{offsets.max():.2f} m) and turned by {turns.mean():.2f} degrees (at most {turns.max():.2f})'
    )
    if args.truth:
        iou = label_iou(args.out, args.truth)
        print('IoU with the truth (%): ' + ', '.join(f'{name} {100 * value:.1f}' for name, value in iou.items()))


if __name__ == '__main__':
    main()
