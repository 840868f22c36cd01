#!/usr/bin/env python
"""Convert a checkpoint of the original BEVFormer into weights for ours.

python tools/convert_bevformer_checkpoint.py bevformer_base_epoch_24.pth --out converted.pth
python tools/convert_bevformer_checkpoint.py bevformer_base_epoch_24.pth --out converted.pth \\
    --config configs/bevformer/bevformer_base_seg.py

With a config, names and shapes are checked against its model. Then train with
`--cfg-options load_from=converted.pth`; the segmentation head starts from new weights.
"""

from __future__ import annotations

import argparse

from projects.BEVFormer.bevformer.convert_checkpoint import convert_checkpoint
from ssl_bev.apis import init_model
from ssl_bev.command_line import CommandParser, input_errors


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_argument('source', help='official checkpoint')
    parser.add_argument('target', nargs='?', help=argparse.SUPPRESS)  # before there was --out
    parser.add_common('--out', metavar='PTH', help='file to write')
    parser.add_argument('--config', help='config of the model that the weights are for')
    args = parser.parse_args(arguments)
    args.out = args.out or args.target
    if not args.out:
        parser.error('the following arguments are required: --out')
    return args


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    model = init_model(args.config) if args.config else None
    print(convert_checkpoint(args.source, args.out, model).report())
    print(f'written to {args.out}')


if __name__ == '__main__':
    main()
