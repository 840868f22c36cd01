#!/usr/bin/env python
"""All that a config needs before training, made of pseudo-labels: road, accumulation, registration, completion.

python tools/prepare_targets.py configs/bevformer_ssl_completed.py --dry-run     # what is there, what is to be done
python tools/prepare_targets.py configs/bevformer_ssl_completed.py --workers 8
python tools/prepare_targets.py configs/bevformer_ssl_completed.py --only accumulation registration

Label map, classes, grid, confidences, ego body and folders are those of the config. The same command goes on where it
stopped. Where a folder was made with other settings, it says which ones and leaves the folder as it is.
"""

from __future__ import annotations

import argparse

from mmengine.config import DictAction

from ssl_bev.apis.stages import Stage, plan_stages
from ssl_bev.command_line import CommandParser, find_device, input_errors
from ssl_bev.engine import load_config

STAGES = ('road', 'accumulation', 'registration', 'completion')


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='config file of the training')
    parser.add_argument('--dry-run', action='store_true', help='show the plan, and do nothing')
    parser.add_argument('--only', nargs='+', choices=STAGES, default=STAGES, help='these stages alone')
    parser.add_common('--workers', help='processes, each with one scene at a time (default: %(default)s)')
    parser.add_common('--device')
    parser.add_common('--quiet')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='laid over the config')
    return parser.parse_args(arguments)


def state_of(stage: Stage) -> str:
    """How far a stage is, in words; raises where its folder was made with other settings."""
    if all(before.is_done for before in stage.after):
        stage.check()
    count, missing = len(stage.frames.tokens), stage.missing
    return f'done, {count} frames' if stage.is_done else f'to do: {missing} of {count} frames'


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    stages = [stage for stage in plan_stages(load_config(args.config, args.cfg_options)) if stage.name in args.only]
    if not stages:
        print(f'{args.config} needs no targets')
    for stage in stages:  # what is wrong is found before the work begins
        print(f'{stage.name:13} {stage.out}  {state_of(stage)}', flush=True)
    for stage in stages if not args.dry_run else ():
        if not stage.is_done:
            stage.run(args.workers, find_device(args.device), not args.quiet)
            print(f'{stage.name:13} {stage.out}  {state_of(stage)}', flush=True)


if __name__ == '__main__':
    main()
