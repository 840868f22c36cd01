#!/usr/bin/env python
"""Make a small file from a checkpoint for publication: weights in half precision, without optimizer and log.

python tools/publish_model.py work_dirs/bevformer_ssl_two_phase/epoch_24.pth --out bevformer_ssl.pth

It can be loaded like the checkpoint, also with `torch.load(..., weights_only=True)`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ssl_bev.checkpoints import publish
from ssl_bev.command_line import CommandParser, input_errors


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_argument('checkpoint', type=Path, help='file of a training')
    parser.add_common('--out', required=True, type=Path, metavar='PTH', help='file to write')
    return parser.parse_args(arguments)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    path = publish(args.checkpoint, args.out)
    print(f'{path}: {path.stat().st_size / 1e6:.1f} MB')


if __name__ == '__main__':
    main()
