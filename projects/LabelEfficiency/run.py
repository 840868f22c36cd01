"""Measure how many labels and how much time self-supervision saves against supervised training, on synthetic towns.

python projects/LabelEfficiency/run.py supervised:1 ours:0.5 ours:0.1    # recipes with their shares of the labels
python projects/LabelEfficiency/run.py ours:0.5 --steps 7200 --seeds 0 1 2
python projects/LabelEfficiency/run.py my_recipe.py:0.5 --on val --cfg-options optim_wrapper.optimizer.lr=4e-3
python projects/LabelEfficiency/run.py supervised:1 ours:0.5 --condition teacher_L2

Make choices with `--on val`; test towns are used once for each reported figure. The same command continues where it was
interrupted, also within a run. README.md beside this file has the protocol.
"""

from __future__ import annotations

import argparse
import os
import sys
from itertools import product
from pathlib import Path

from mmengine.config import DictAction
from mmengine.logging import MMLogger

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from projects.LabelEfficiency.label_efficiency.experiment import Experiment  # noqa: E402
from projects.LabelEfficiency.label_efficiency.report import write_report  # noqa: E402
from projects.LabelEfficiency.label_efficiency.robustness import CONDITIONS, OtherTowns  # noqa: E402
from projects.LabelEfficiency.label_efficiency.runs import IMAGES, RECIPES, TOY_OPTIONS, TOY_STEPS, Run  # noqa: E402
from projects.LabelEfficiency.label_efficiency.steps import StepError, Steps  # noqa: E402
from projects.LabelEfficiency.label_efficiency.towns import TOWNS, TOY_TOWNS, Towns  # noqa: E402
from ssl_bev.apis.report import SampleSettings  # noqa: E402
from ssl_bev.apis.report import write_report as write_page  # noqa: E402
from ssl_bev.command_line import CommandParser, input_errors  # noqa: E402


def recipe_and_share(text: str) -> tuple[str, float]:
    recipe, _, share = text.rpartition(':')
    return recipe, float(share)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    known = ', '.join(sorted(path.stem for path in RECIPES.glob('[!_]*.py')))
    parser.add_argument(
        'runs',
        nargs='+',
        type=recipe_and_share,
        metavar='RECIPE:SHARE',
        help=f'{known}, or a config file; share of labels',
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='seeds of weights, order and labelled scenes')
    parser.add_argument('--steps', type=int, default=3000, help='training steps (default: %(default)s)')
    parser.add_argument(
        '--images', choices=IMAGES, default='more', help='images without labels; more: also those of other towns'
    )
    parser.add_argument('--on', choices=('val', 'test'), default='test', help='towns to evaluate on')
    parser.add_argument(
        '--condition', choices=CONDITIONS, help='another teacher, labels without annotation noise, or another protocol'
    )
    parser.add_common('--cfg-options', action=DictAction, default={})
    parser.add_argument(
        '--toy', action='store_true', help='two tiny towns, a small network, a few steps, to see that it runs'
    )
    parser.add_common('--workers', '--jobs', default=os.cpu_count(), help='trainings at a time (default: %(default)s)')
    parser.add_common(
        '--data-root', '--data', type=Path, default=ROOT / 'data' / 'label_efficiency', help='created if missing'
    )
    parser.add_common(
        '--out', type=Path, default=ROOT / 'work_dirs' / 'label_efficiency', help='folder for runs and report'
    )
    args = parser.parse_args(arguments)
    if args.toy:
        args.steps, args.cfg_options = TOY_STEPS, {**TOY_OPTIONS, **args.cfg_options}
    if min(args.workers, args.steps) < 1:
        parser.error(f'--workers and --steps must be at least 1, got {args.workers} and {args.steps}')
    return args


@input_errors(StepError)
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    root = args.data_root.resolve()
    towns = Towns(root, TOY_TOWNS if args.toy else TOWNS, Steps(root), args.workers)
    towns = OtherTowns(towns, args.condition) if args.condition else towns
    runs = []
    for seed, (recipe, share) in product(args.seeds, args.runs):
        runs.append(Run(towns.root, recipe, share, seed, args.images, args.steps, args.cfg_options, towns.protocol))
    out = args.out.resolve() / (args.condition or '')
    experiment = Experiment(towns, out, args.on)
    experiment.run_all(runs, args.workers)
    print(write_report(experiment.records(), args.on, out))
    MMLogger.get_instance('mmengine', log_level='ERROR')
    # Seeds are in the tables; one of them is enough to look at.
    shown = {run.name: experiment.folder(run) / 'train' for run in runs if run.seed == args.seeds[0]}
    settings = SampleSettings(count=0 if args.toy else 1, show_progress=False)
    write_page(shown, out / 'report.html', settings, sheets=0 if args.toy else 1)
    print(f'Curves, samples and configs on one page, for a browser: {out / "report.html"}')


if __name__ == '__main__':
    main()
