#!/usr/bin/env python
"""Make targets of the BEV classes from accumulated pseudo-labels, by a network that learnt how labels are drawn.

python tools/train.py configs/map_completion.py
python tools/complete_maps.py configs/map_completion.py work_dirs/map_completion/epoch_12.pth \\
    --out data/nuscenes/completed

It completes all frames of the test dataloader of the config. The same command continues where it stopped.
`LoadAccumulatedTargets(root=OUT, kind='completed')` loads the result for `TargetMapLoss(kind='completed')`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.config import DictAction
from mmengine.runner import Runner

from ssl_bev.apis import init_model, load_config
from ssl_bev.command_line import CommandParser, find_device, input_errors
from ssl_bev.engine import building
from ssl_bev.files import sha256
from ssl_bev.preparation.complete_maps import complete_maps


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='config file of a MapCompletion')
    parser.add_argument('checkpoint', type=Path, help='file of its trained weights')
    parser.add_common('--out', required=True)
    parser.add_argument('--unseen-weight', type=float, default=0.1, help='weight of ground that no pseudo-label shows')
    parser.add_common('--device')
    parser.add_common('--quiet')
    parser.add_common('--cfg-options', action=DictAction)
    return parser.parse_args(arguments)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    config = load_config(args.config, args.cfg_options)
    model = init_model(config, args.checkpoint, find_device(args.device))
    with building(config):
        loader = Runner.build_dataloader(config.test_dataloader)
    source = {'name': args.checkpoint.stem, 'sha256': sha256([args.checkpoint])}
    counts = complete_maps(model, loader, args.out, source, args.unseen_weight, not args.quiet)
    print(f'{args.out}: {counts["written"]} frames written, {counts["there"]} were there')


if __name__ == '__main__':
    main()
