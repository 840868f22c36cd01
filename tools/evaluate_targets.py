#!/usr/bin/env python
"""Evaluate accumulated pseudo-labels as if they were predictions: the baseline for a trained model.

python tools/evaluate_targets.py configs/real/pandaset_ssl.py data/pandaset_002/accumulated --out metrics.json

Test data and evaluator are those of the config. The folder is made by tools/accumulate_pseudo_labels.py; with
`--single-frames` it contains what the cameras of a single frame see.
"""

from __future__ import annotations

from pathlib import Path

from mmengine.config import DictAction

from ssl_bev.apis import load_config
from ssl_bev.apis.evaluate_targets import evaluate_targets
from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.evaluation import write_metrics


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('targets', help='folder of the targets')
    parser.add_argument(
        '--out', type=Path, metavar='JSON', help='write the metrics to this file; undefined ones are null'
    )
    parser.add_common('--cfg-options', action=DictAction)
    args = parser.parse_args(arguments)
    metrics = evaluate_targets(load_config(args.config, args.cfg_options), args.targets)
    if args.out:
        write_metrics(args.out, metrics)


if __name__ == '__main__':
    main()
