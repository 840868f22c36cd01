#!/usr/bin/env python
"""Make a split in which no validation frame is close to a training frame, as lists of scene tokens.

python tools/make_geo_split.py --infos data/nuscenes/ssl_bev_infos_{train,val}.pkl --distance 70 \\
    --out data/nuscenes/geo_split
"""

from __future__ import annotations

from pathlib import Path

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.datasets.label_subsets import write_scene_list
from ssl_bev.preparation.geo_split import near_fraction, scene_tracks, split_by_place


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    parser.add_common('--infos', required=True, nargs=2, help='info files of the training and the validation split')
    parser.add_argument(
        '--distance',
        type=float,
        default=70.0,
        help='metres between the frames of both sides (default: %(default)s; maps of 60 m x 30 m then never overlap)',
    )
    parser.add_argument('--val-fraction', type=float, default=0.2, help='of the frames (default: %(default)s)')
    parser.add_common('--out', type=Path, required=True, help='folder for train.txt, val.txt and dropped.txt')
    args = parser.parse_args(arguments)
    train, val = (scene_tracks(read_info_file(path, ['a split by place'])['data_list']) for path in args.infos)
    split = split_by_place([*train, *val], args.distance, args.val_fraction)
    for name in ('train', 'val', 'dropped'):
        tracks = getattr(split, name)
        frames = sum(len(track.xy) for track in tracks)
        comment = f'{len(tracks)} scenes, {frames} frames: {name}; {args.distance:g} m between train and val'
        write_scene_list(args.out / f'{name}.txt', [f'{track.token}  # {track.name}' for track in tracks], comment)
        print(f'{args.out / name}.txt: {comment}')
    for distance in (5.0, 30.0, args.distance):
        before = near_fraction(val, train, distance)
        after = near_fraction(split.val, split.train, distance)
        print(
            f'validation frames within {distance:g} m of a training frame: {before:.1%} as the info files are split, '
            f'{after:.1%} in this split'
        )


if __name__ == '__main__':
    main()
