#!/usr/bin/env python
"""Draw lists of the scenes whose labels may be used: seeded, smaller lists are part of larger ones.

python tools/make_label_subsets.py --infos data/nuscenes/ssl_bev_infos_train.pkl --out data/nuscenes/label_subsets
python tools/make_label_subsets.py --infos data/nuscenes/ssl_bev_infos_{train,val}.pkl \\
    --scene-list data/nuscenes/geo_split/train.txt --out data/nuscenes/geo_split/label_subsets
"""

from __future__ import annotations

from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.datasets.info_files import find_scenes, read_info_file
from ssl_bev.datasets.label_subsets import write_label_subsets


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    parser.add_common('--infos', required=True)
    parser.add_argument('--scene-list', help='draw from the scenes of this list only')
    parser.add_argument(
        '--fractions', nargs='+', type=float, default=[0.01, 0.05, 0.1, 0.25, 0.5], help='of the scenes'
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2], help='one list per fraction and seed')
    parser.add_common('--out', required=True, help='folder for {percent}percent_seed{seed}.txt')
    args = parser.parse_args(arguments)
    frames = [frame for path in args.infos for frame in read_info_file(path, ['a label subset'])['data_list']]
    scenes = {frame['scene_token'] for frame in frames}
    if args.scene_list:
        scenes = find_scenes('--scene-list', args.scene_list, frames)
    subsets = write_label_subsets(args.out, sorted(scenes), args.fractions, args.seeds)
    for path, subset in subsets.items():
        print(f'{path}: {len(subset)} of {len(scenes)} scenes')


if __name__ == '__main__':
    main()
