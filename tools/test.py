#!/usr/bin/env python
"""Evaluate a checkpoint on the test data of its config.

python tools/test.py configs/bevformer_supervised.py work_dirs/bevformer_supervised/epoch_24.pth --out metrics.json
tools/dist_test.sh configs/bevformer_supervised.py work_dirs/bevformer_supervised/epoch_24.pth 8
python tools/test.py configs/bevformer_supervised.py work_dirs/bevformer_supervised/epoch_24.pth --online
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mmengine.config import DictAction

from ssl_bev.checkpoints import with_safe_loading
from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.engine import load_config
from ssl_bev.engine.launch import build_runner, prepare_run, run_and_close
from ssl_bev.evaluation import write_metrics


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='weights to evaluate')
    parser.add_argument('--work-dir', metavar='DIR', help='for logs; default: work_dirs/{name of the config}')
    parser.add_argument(
        '--out', type=Path, metavar='JSON', help='write the metrics to this file; undefined ones are null'
    )
    parser.add_argument(
        '--online', action='store_true', help='use the history from the start of each scene, not only that of a window'
    )
    parser.add_common('--cfg-options', action=DictAction)
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0, help='set by launchers')
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    with input_errors():
        args = parse_args(arguments)
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
        if not Path(args.checkpoint).is_file():
            raise FileNotFoundError(f'checkpoint {args.checkpoint} does not exist')
        cfg = load_config(args.config, args.cfg_options)
        if args.online:
            cfg.test_cfg = dict(type='OnlineTestLoop', whole_scenes=True)
        prepare_run(cfg, args.work_dir, args.launcher)
        cfg.resume, cfg.load_from = False, with_safe_loading(args.checkpoint)
        runner = build_runner(cfg, 'test')
    metrics = run_and_close(runner, 'test')  # its errors keep their traceback
    if args.out and int(os.environ.get('RANK', 0)) == 0:
        write_metrics(args.out, metrics)


if __name__ == '__main__':
    main()
