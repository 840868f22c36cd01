#!/usr/bin/env python
"""Make an mp4 of a scene: the cameras with the reprojected prediction, the predicted map and the BEV labels.

python tools/make_video.py CONFIG CHECKPOINT --out scene.mp4
python tools/make_video.py CONFIG CHECKPOINT --infos PKL --data-root DIR --scene scene-0103 --online --out scene.mp4

With imageio-ffmpeg (in the extra `viz`) the video is H.264, which every browser plays; else MPEG-4 Part 2, for VLC.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.config import DictAction

from ssl_bev.apis import build_test_dataloader, init_model, load_config
from ssl_bev.apis.scene_video import write_scene_video
from ssl_bev.apis.scenes import predict_scene
from ssl_bev.command_line import CommandParser, find_device, input_errors


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='config file of the model')
    parser.add_argument('checkpoint', help='file of the trained weights')
    parser.add_common('--out', required=True, type=Path, metavar='MP4', help='the video')
    parser.add_argument('--scene', metavar='NAME', help='name or token of the scene; default: the first one')
    parser.add_common('--infos', nargs=None, type=Path, help='info file; default: test data of the config')
    parser.add_common('--data-root', type=Path)
    parser.add_argument('--fps', type=float, metavar='N', help='frames per second; default: the rate of recording')
    parser.add_argument('--limit', type=int, metavar='N', help='the first N frames only')
    parser.add_argument('--online', action='store_true', help='carry the history from frame to frame')
    parser.add_common('--device')
    parser.add_common('--quiet')
    parser.add_common('--cfg-options', action=DictAction)
    return parser.parse_args(arguments)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    config = load_config(args.config, args.cfg_options)
    model = init_model(config, args.checkpoint, find_device(args.device))
    dataset = build_test_dataloader(config, args.infos, args.data_root).dataset
    frames = predict_scene(model, dataset, args.scene, args.online, args.limit, not args.quiet)
    count = write_scene_video(frames, args.out, args.fps)
    print(f'{count} frames: {args.out}')


if __name__ == '__main__':
    main()
