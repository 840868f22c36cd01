#!/usr/bin/env python
"""Predict BEV maps with a trained model.

python tools/predict.py CONFIG CHECKPOINT --out DIR
python tools/predict.py CONFIG CHECKPOINT --out DIR --online
python tools/predict.py CONFIG CHECKPOINT --infos PKL --data-root DIR --out DIR --limit 10

For each sample it writes `{token}.npz` (`probabilities` (K, H, W), `classes`, `x_range`, `y_range`, `bev_frame`) and
`panel_{token}.png`: the cameras with the reprojected prediction, the predicted map and the BEV labels, if any.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

from mmengine.config import DictAction
from tqdm import tqdm

from ssl_bev.apis import build_test_dataloader, inference, init_model, load_config, save_panel, save_prediction
from ssl_bev.command_line import CommandParser, find_device, input_errors


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='config file of the model')
    parser.add_argument('checkpoint', help='file of the trained weights')
    parser.add_common('--out', required=True, type=Path)
    parser.add_common(
        '--infos', nargs=None, type=Path, help='info file to predict on; default: test data of the config'
    )
    parser.add_common('--data-root', type=Path)
    parser.add_common('--device')
    parser.add_argument('--limit', type=int, help='predict the first N samples only')
    parser.add_argument('--online', action='store_true', help='carry the history from frame to frame')
    parser.add_argument('--no-panels', action='store_true', help='write no pictures')
    parser.add_common('--quiet')
    parser.add_common('--cfg-options', action=DictAction)
    return parser.parse_args(arguments)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    if args.limit is not None and args.limit < 1:
        raise ValueError(f'--limit must be at least 1, got {args.limit}')
    config = load_config(args.config, args.cfg_options)
    model = init_model(config, args.checkpoint, find_device(args.device))
    loader = build_test_dataloader(config, args.infos, args.data_root)
    total = min(len(loader.dataset), args.limit or len(loader.dataset))
    predictions = islice(inference(model, loader, args.online), args.limit)
    for images, sample in tqdm(predictions, total=total, desc='predict', disable=args.quiet):
        save_prediction(sample, args.out)
        if not args.no_panels:
            save_panel(images, sample, args.out)
    print(f'{total} samples written to {args.out}')


if __name__ == '__main__':
    main()
