#!/usr/bin/env python
"""Make all targets that a config needs before training: road, accumulation, registration, completion.

python tools/prepare_targets.py configs/bevformer_ssl_completed.py --dry-run     # show what is done and what is missing
python tools/prepare_targets.py configs/bevformer_ssl_completed.py --workers 8
python tools/prepare_targets.py configs/bevformer_ssl_completed.py --only accumulation registration

Label map, classes, grid, confidences, ego body and folders are those of the config. The same command continues where it
stopped. If a folder was made with other settings, the tool names them and does not change the folder.
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
    parser.add_argument('--only', nargs='+', choices=STAGES, default=STAGES, help='only these stages')
    parser.add_common('--workers', help='processes, each with one scene at a time (default: %(default)s)')
    parser.add_common('--device')
    parser.add_common('--quiet')
    parser.add_common('--cfg-options', action=DictAction)
    return parser.parse_args(arguments)


def state_of(stage: Stage) -> str:
    """The progress of a stage in words; raises if its folder was made with other settings."""
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
    for stage in stages:  # errors are found before the work begins
        print(f'{stage.name:13} {stage.out}  {state_of(stage)}', flush=True)
    for stage in stages if not args.dry_run else ():
        if not stage.is_done:
            stage.run(args.workers, find_device(args.device), not args.quiet)
            print(f'{stage.name:13} {stage.out}  {state_of(stage)}', flush=True)


if __name__ == '__main__':
    main()
