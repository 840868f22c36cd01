#!/usr/bin/env python
"""Record a scene for the Rerun viewer: cameras with images and labels, predicted and true map, path of the vehicle.

python tools/export_rerun.py CONFIG CHECKPOINT --out scene.rrd && rerun scene.rrd
python tools/export_rerun.py CONFIG CHECKPOINT --scene scene-0103 --pseudo-labels DIR --label-map mapillary_v1 \\
    --out scene.rrd

It needs rerun-sdk, which is in the extra `viz`. Move along the timeline below the views.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.config import DictAction

from ssl_bev.apis import build_test_dataloader, init_model, load_config
from ssl_bev.apis.rerun_scene import write_rerun
from ssl_bev.apis.scenes import predict_scene
from ssl_bev.command_line import CommandParser, find_device, input_errors


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='config file of the model')
    parser.add_argument('checkpoint', help='file of the trained weights')
    parser.add_common('--out', required=True, type=Path, metavar='RRD', help='the recording')
    parser.add_argument('--scene', metavar='NAME', help='name or token of the scene; default: the first one')
    parser.add_common('--infos', nargs=None, type=Path, help='info file; default: test data of the config')
    parser.add_common('--data-root', type=Path)
    parser.add_common('--pseudo-labels', help='folder of pseudo-labels, to show them in the cameras')
    parser.add_common('--label-map')
    parser.add_argument('--classes', nargs='+', default=['drivable', 'marking', 'crosswalk'], help='of the label map')
    parser.add_argument('--limit', type=int, metavar='N', help='the first N frames only')
    parser.add_argument('--online', action='store_true', help='carry the history from frame to frame')
    parser.add_common('--device')
    parser.add_common('--quiet')
    parser.add_common('--cfg-options', action=DictAction)
    return parser.parse_args(arguments)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    if bool(args.pseudo_labels) != bool(args.label_map):
        raise ValueError('--pseudo-labels and --label-map go together')
    config = load_config(args.config, args.cfg_options)
    model = init_model(config, args.checkpoint, find_device(args.device))
    if args.pseudo_labels:
        labels = dict(root=args.pseudo_labels, label_map=args.label_map, classes=args.classes, stride=1, num_frames=1)
        *pipeline, pack = config.test_dataloader.dataset.pipeline
        config.test_dataloader.dataset.pipeline = [*pipeline, dict(type='LoadPseudoLabels', **labels), pack]
    dataset = build_test_dataloader(config, args.infos, args.data_root).dataset
    frames = predict_scene(model, dataset, args.scene, args.online, args.limit, not args.quiet)
    count = write_rerun(frames, args.out)
    print(f'{count} frames: {args.out}; open it with: rerun {args.out}')


if __name__ == '__main__':
    main()
