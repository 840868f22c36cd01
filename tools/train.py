#!/usr/bin/env python
"""Train a model, from the start or from a checkpoint.

python tools/train.py configs/bevformer_ssl_two_phase.py
python tools/train.py configs/bevformer_ssl_two_phase.py --resume
tools/dist_train.sh configs/bevformer_ssl_two_phase.py 8          # on 8 GPUs
"""

from __future__ import annotations

import argparse
import os

from mmengine.config import DictAction

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.engine import load_config
from ssl_bev.engine.launch import build_runner, prepare_run, run_and_close, use_checkpoint, use_mixed_precision


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir', metavar='DIR', help='for logs and checkpoints; default: work_dirs/{name of the config}'
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from this checkpoint; without a value: from the latest in the work directory, if any',
    )
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_common('--cfg-options', action=DictAction)
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0, help='set by launchers')
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    with input_errors():
        args = parse_args(arguments)
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
        cfg = load_config(args.config, args.cfg_options)
        prepare_run(cfg, args.work_dir, args.launcher)
        use_checkpoint(cfg, args.resume)
        if args.amp:
            use_mixed_precision(cfg)
        runner = build_runner(cfg, 'train')
    run_and_close(runner, 'train')  # its errors keep their traceback


if __name__ == '__main__':
    main()
