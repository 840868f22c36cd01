"""One HTML file about trainings: curves, metrics, best and worst samples, pseudo-labels, times, configs.

    python tools/report.py work_dirs/bevformer_ssl_two_phase
    python tools/report.py work_dirs/ours work_dirs/supervised --out report.html --frames 100 --device cuda

The file needs nothing else: send it, or open it in any browser. What a run lacks is said where it would stand. Samples
are predicted anew from the best checkpoint, or else the last one, so data and config must be where they were.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmengine.logging import MMLogger

from ssl_bev.apis.devices import choose_device
from ssl_bev.apis.report import SampleSettings, write_report


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'work_dirs', nargs='+', type=Path, metavar='WORK_DIR', help='of a training; several: side by side'
    )
    parser.add_argument('--names', nargs='+', metavar='NAME', help='of the runs, in their order; default: the folders')
    parser.add_argument('--out', type=Path, metavar='HTML', help='default: report.html in the first work directory')
    parser.add_argument('--samples', type=int, default=2, metavar='N', help='best, and as many worst ones; 0: none')
    parser.add_argument('--frames', type=int, default=40, metavar='N', help='test frames to choose them from')
    parser.add_argument('--sheets', type=int, default=2, metavar='N', help='sheets of pseudo-labels; 0: none')
    parser.add_argument('--infos', type=Path, metavar='PKL', help="info file of the samples; default: the config's")
    parser.add_argument('--data-root', type=Path, metavar='DIR', help='where the images are now, if they were moved')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:1 …')
    parser.add_argument('--quiet', action='store_true', help='no progress bars')
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    out = args.out or args.work_dirs[0] / 'report.html'
    MMLogger.get_instance('mmengine', log_level='ERROR')
    try:
        runs = args.work_dirs
        if args.names:
            if len(set(args.names)) != len(args.work_dirs):
                raise ValueError(f'--names must be as many as the work directories, all different, got {args.names}')
            runs = dict(zip(args.names, args.work_dirs, strict=True))
        settings = SampleSettings(
            args.samples, args.frames, choose_device(args.device), args.infos, args.data_root, not args.quiet
        )
        missing = write_report(runs, out, settings, args.sheets)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    for line in missing:
        print(f'not in the report: {line}')
    print(f'report: {out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
