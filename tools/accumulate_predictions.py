#!/usr/bin/env python
"""Targets for self-training: a model's own predictions, fused over each scene.

python tools/accumulate_predictions.py CONFIG CHECKPOINT --infos data/nuscenes/ssl_bev_infos_train.pkl \\
    --data-root data/nuscenes --out data/nuscenes/self_targets
python tools/accumulate_predictions.py ... --cfg-options test_dataloader.dataset.frames=all    # sweeps as well

The same command goes on where it stopped. `LoadAccumulatedTargets(root=OUT, kind='self', min_confidence=...)` loads the
result for `loss_self`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmengine.config import DictAction

from ssl_bev.apis import build_test_dataloader, init_model, load_config
from ssl_bev.apis.fuse_predictions import Fusion, fuse_predictions
from ssl_bev.pseudo_labels.teachers.weight_files import sha256


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of the model')
    parser.add_argument('checkpoint', type=Path, help='file of the trained weights')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder for the targets, made where missing')
    parser.add_argument('--infos', type=Path, help="info file to predict on, by default the config's test set")
    parser.add_argument('--data-root', type=Path, help='folder that the image paths of the info file start from')
    parser.add_argument('--device', default='cpu', help='cpu, cuda, cuda:1 …')
    parser.add_argument('--online', action='store_true', help='carry the history from frame to frame')
    parser.add_argument('--half-distance', type=float, default=20, help='metres at which a prediction counts half')
    parser.add_argument('--confidence-power', type=float, default=1, help='it counts by |2 p - 1| to this power')
    parser.add_argument('--full-weight', type=float, default=1, help='sum of votes that gives the full weight')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='key=value pairs laid over the config')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    fusion = Fusion(args.half_distance, args.confidence_power, args.full_weight)
    config = load_config(args.config, args.cfg_options)
    model = init_model(config, args.checkpoint, args.device)
    dataset = build_test_dataloader(config, args.infos, args.data_root, with_labels=False).dataset
    teacher = {'name': args.checkpoint.stem, 'sha256': sha256([args.checkpoint])}
    counts = fuse_predictions(model, dataset, args.out, fusion, teacher, args.online, not args.quiet)
    print(f'{args.out}: {counts["written"]} frames written, {counts["there"]} were there')


if __name__ == '__main__':
    try:
        main()
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
