"""How many labels and how much time self-supervision saves against supervised training, on synthetic towns.

    python tools/label_efficiency.py --headline                     # three runs of one seed
    python tools/label_efficiency.py                                # every arm, share of labels and seed: many hours
    python tools/label_efficiency.py --list --arms supervised paper # which runs that would be, and which are done
    python tools/label_efficiency.py --report                       # only write docs/results/label_efficiency.*
    python tools/label_efficiency.py --pictures                     # four test frames, the arms side by side
    python tools/label_efficiency.py --screen --arms supervised --fractions 1 --variant lr4e-3 \\
        --cfg-options optim_wrapper.optimizer.lr=4e-3               # a choice, made on validation towns
    python tools/label_efficiency.py --screen --short --settings more_images --fractions 0.5 --seeds 0 1 2  # parts

The protocol is in docs/results.md. The same command goes on where it was interrupted, also within a run.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from projects.SyntheticNuScenes.label_efficiency.ablation import SHORT_NAME  # noqa: E402
from projects.SyntheticNuScenes.label_efficiency.arms import (  # noqa: E402
    ARMS,
    BEST,
    MORE_IMAGES,
    PICTURED,
    SEEDS,
    SETTINGS,
    select_runs,
)
from projects.SyntheticNuScenes.label_efficiency.commands import CommandError  # noqa: E402
from projects.SyntheticNuScenes.label_efficiency.configs import SHORT  # noqa: E402
from projects.SyntheticNuScenes.label_efficiency.experiment import Experiment  # noqa: E402
from projects.SyntheticNuScenes.label_efficiency.pools import POOLS, TOY_POOLS  # noqa: E402
from projects.SyntheticNuScenes.label_efficiency.report import read_records, write_report  # noqa: E402
from projects.SyntheticNuScenes.label_efficiency.robustness import CONDITIONS, derive  # noqa: E402
from projects.SyntheticNuScenes.label_efficiency.screening import HEAD, screening_table  # noqa: E402
from projects.SyntheticNuScenes.label_efficiency.towns import TownData  # noqa: E402


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--arms', nargs='+', default=list(ARMS), metavar='ARM', help=', '.join(ARMS))
    parser.add_argument('--settings', nargs='+', default=list(SETTINGS), metavar='SETTING', help=', '.join(SETTINGS))
    parser.add_argument('--fractions', nargs='+', type=float, help="of the labelled scenes; default: each arm's own")
    parser.add_argument('--seeds', nargs='+', type=int, help=f'default: {SEEDS}; with --screen: {SEEDS[:1]}')
    parser.add_argument('--headline', action='store_true', help='supervised 100 %%, SSL + 50 %%, SSL + 10 %%, one seed')
    parser.add_argument('--list', action='store_true', help='list the runs, and do nothing')
    parser.add_argument('--report', action='store_true', help='only write the report of the runs that are there')
    parser.add_argument('--pictures', action='store_true', help='only draw what arms trained on this machine predict')
    parser.add_argument('--screen', action='store_true', help='validation towns only; the test towns stay untouched')
    parser.add_argument('--short', action='store_true', help='with --screen: two fifths of the steps, for ablations')
    parser.add_argument('--variant', default='', metavar='NAME', help='with --screen: a name for --cfg-options')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='with --screen: what is tried'
    )
    parser.add_argument(
        '--teacher', choices=('mask2former', 'oracle'), default='mask2former', help='oracle: to develop'
    )
    parser.add_argument(
        '--condition', choices=CONDITIONS, help='another teacher, or labels without annotation noise; its own report'
    )
    parser.add_argument('--toy', action='store_true', help='tiny towns and two steps a phase: does everything run?')
    parser.add_argument(
        '--jobs', type=int, default=os.cpu_count(), metavar='N', help='trainings side by side; default: one a core'
    )
    parser.add_argument('--data', type=Path, default=ROOT / 'data' / 'label_efficiency', help='made where missing')
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'work_dirs' / 'label_efficiency', help='work directories and logs'
    )
    parser.add_argument(
        '--target', type=Path, help='report without suffix, and folder of runs/; default: docs/results/label_efficiency'
    )
    args = parser.parse_args(arguments)
    if args.jobs < 1:
        parser.error(f'--jobs must be at least 1, got {args.jobs}')
    if bool(args.variant) != bool(args.cfg_options) or (args.variant and not args.screen):
        parser.error('--variant and --cfg-options belong together, and to --screen')
    if args.short:
        if not args.screen:
            parser.error('--short belongs to --screen')
        args.variant = f'{args.variant}_{SHORT_NAME}' if args.variant else SHORT_NAME
        args.cfg_options = [*args.cfg_options, *SHORT]
    return args


def runs_of(args: argparse.Namespace) -> list:
    seeds = args.seeds or (SEEDS[:1] if args.screen or args.headline else SEEDS)
    if args.headline:
        baseline = select_runs(['supervised'], fractions=[1.0], seeds=seeds)
        return baseline + select_runs([BEST], [MORE_IMAGES], [0.5, 0.1], seeds)
    return select_runs(args.arms, args.settings, args.fractions, seeds, args.variant, args.cfg_options)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    out = args.out.resolve()
    suffix = f'_{args.condition}' if args.condition else ''
    out = out.with_name(out.name + suffix)
    data = TownData(args.data.resolve(), TOY_POOLS if args.toy else POOLS, args.teacher, out / 'logs', args.jobs)
    # What only shows that the tool runs never reaches the documentation.
    earnest = not args.toy and args.teacher != 'oracle'
    target = args.target or (ROOT / 'docs' / 'results' if earnest else out) / f'label_efficiency{suffix}'
    records = target / 'runs'
    try:
        runs = runs_of(args)
        if args.condition:
            data = derive(data, args.condition, [] if args.list or args.report else runs)
        experiment = Experiment(data, out, args.toy, lambda line: print(line, flush=True), records)
        if args.list:
            for run in runs:
                print(f'{"done" if experiment.is_done(run, not args.screen) else "    "}  {run.name}')
            return 0
        if args.pictures:
            from projects.SyntheticNuScenes.label_efficiency.pictures import draw_frames

            print('wrote', *draw_frames([(name, *experiment.trained(run)) for name, run in PICTURED], target))
            return 0
        if not args.report:
            if missing := [run for run in runs if not experiment.is_done(run, not args.screen)]:
                experiment.prepare(missing)
            # Those that are done only have their config compared.
            experiment.run_all(runs, not args.screen, args.jobs)
        if args.screen:
            for row in (HEAD, *screening_table(read_records(records))):
                print('  '.join(row))
            return 0
        about = {**(data.record or {'teacher': args.teacher}), 'condition': CONDITIONS.get(args.condition)}
        print('wrote', *write_report(read_records(records), about, target))
    except (CommandError, FileNotFoundError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted; the same command goes on from here', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
