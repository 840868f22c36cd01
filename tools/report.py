#!/usr/bin/env python
"""Write one HTML file about trainings: curves, metrics, best and worst samples, pseudo-labels, times, configs.

python tools/report.py work_dirs/bevformer_ssl_two_phase
python tools/report.py work_dirs/ours work_dirs/supervised --out report.html --frames 100 --device cuda

The file is self-contained: send it, or open it in any browser. Missing parts of a run are reported in their place.
Samples are predicted again with the best checkpoint, or else the last one, so data and config must be where they were.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.logging import MMLogger

from ssl_bev.apis.report import SampleSettings, write_report
from ssl_bev.command_line import CommandParser, find_device, input_errors


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    parser.add_argument(
        'work_dirs', nargs='+', type=Path, metavar='WORK_DIR', help='work directories of one or more trainings'
    )
    parser.add_argument(
        '--names', nargs='+', metavar='NAME', help='names of the runs, in their order; default: the folders'
    )
    parser.add_common('--out', type=Path, metavar='HTML', help='default: report.html in the first work directory')
    parser.add_argument(
        '--samples', type=int, default=2, metavar='N', help='number of best samples, and of worst ones; 0: none'
    )
    parser.add_argument('--frames', type=int, default=40, metavar='N', help='test frames to choose them from')
    parser.add_argument('--sheets', type=int, default=2, metavar='N', help='number of pseudo-label sheets; 0: none')
    parser.add_common('--infos', nargs=None, type=Path, help='info file of the samples; default: that of the config')
    parser.add_common('--data-root', type=Path, help='where the images are now, if they were moved')
    parser.add_common('--device')
    parser.add_common('--quiet')
    return parser.parse_args(arguments)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    out, runs = args.out or args.work_dirs[0] / 'report.html', args.work_dirs
    if args.names:
        if not len(set(args.names)) == len(args.names) == len(runs):
            raise ValueError(f'--names must be as many as the work directories, all different, got {args.names}')
        runs = dict(zip(args.names, runs, strict=True))
    MMLogger.get_instance('mmengine', log_level='ERROR')
    device = find_device(args.device)
    settings = SampleSettings(args.samples, args.frames, device, args.infos, args.data_root, not args.quiet)
    for line in write_report(runs, out, settings, args.sheets):
        print(f'not in the report: {line}')
    print(f'report: {out}')


if __name__ == '__main__':
    main()
