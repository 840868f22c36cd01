"""The whole method on a laptop CPU: synthetic nuScenes, training in three ways with half of the labels, pictures.

make demo                        about 11 minutes on 2 cores, after set-up
python tools/demo.py --fresh     do every step again; otherwise finished steps are kept

Everything is written to work_dirs/demo/: report.html with all of it on one page, iou.md, panel_*.png, curves.png, and
runs/ with a folder for each training.
All figures are of synthetic data, against the exact truth of towns that no recipe was trained on.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pandas as pd
from mmengine.logging import MMLogger

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from projects.LabelEfficiency.label_efficiency.experiment import Experiment  # noqa: E402
from projects.LabelEfficiency.label_efficiency.runs import TOY_OPTIONS, TOY_STEPS, Run  # noqa: E402
from projects.LabelEfficiency.label_efficiency.steps import StepError, Steps, read_json  # noqa: E402
from projects.LabelEfficiency.label_efficiency.towns import EXACT, Town, Towns  # noqa: E402
from ssl_bev.apis.report import SampleSettings, write_report  # noqa: E402
from ssl_bev.command_line import CommandParser, input_errors  # noqa: E402
from ssl_bev.visualization import plot_curves  # noqa: E402

TOWN = Town('.', {'train': 'train', 'val': 'val'}, '--scenes 10 --frames 10', 'v1.0-mini')
TOY_TOWN = TOWN._replace(options='--scenes 2 --frames 3')
# The paper's two phases, ours and the baseline take 320 steps each.
TWICE = {'train_cfg.max_epochs': 16}
TITLES = {
    'pretrain': 'SSL, no labels',
    'finetune': "the paper's SSL + 50 % of the labels",
    'completed': 'ours, with the same 50 %',
    'supervised': 'supervised, the same 50 %',
}


@input_errors(StepError)
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    parser.add_argument('--fresh', action='store_true', help='remove the data and results of an earlier demo first')
    parser.add_argument('--toy', action='store_true', help='a tiny town, a small network, a few steps: does it run?')
    parser.add_common(
        '--data-root', '--data', type=Path, default=ROOT / 'data' / 'synthetic_nuscenes', help='made where missing'
    )
    parser.add_common(
        '--out', type=Path, default=ROOT / 'work_dirs' / 'demo', help='folder for runs, table and pictures'
    )
    args = parser.parse_args(arguments)
    data, out, started = args.data_root.resolve(), args.out.resolve(), time.time()
    if args.fresh:
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)
    # Two trainings side by side are done sooner than one after the other with all cores.
    toy_options, toy_steps = (TOY_OPTIONS, TOY_STEPS) if args.toy else ({}, None)
    threads = max(1, (os.cpu_count() or 1) // 2)
    steps = Steps(data, {'OMP_NUM_THREADS': str(threads), 'OMP_WAIT_POLICY': 'PASSIVE'})
    town, jobs = (TOY_TOWN, 1) if args.toy else (TOWN, 2)
    experiment = Experiment(Towns(data, [town], steps, jobs), out, on='val')

    def recipe(name: str, **options: object) -> Run:
        path = f'configs/synthetic/bevformer_{name}.py'
        return Run(data, path, 0.5, images='same', steps=toy_steps, options=toy_options | options)

    runs = {name: recipe(f'ssl_{name}') for name in ('completed', 'pretrain')}
    runs['supervised'] = recipe('supervised', **TWICE)
    experiment.run_all(list(runs.values()), jobs)
    runs['finetune'] = recipe('ssl_finetune', load_from=str(experiment.checkpoint(runs['pretrain'])))
    experiment.run_all([runs['finetune']])
    draw(experiment, runs)
    table = iou_table(experiment, runs).to_markdown(floatfmt='.1f', missingval='-')
    title = 'IoU (%) at 0.5 on held-out towns, synthetic data, exact truth'
    (out / 'iou.md').write_text(f'{title}\n\n{table}\n')
    settings = SampleSettings(count=1, frames=2 if args.toy else 12, show_progress=False)
    MMLogger.get_instance('mmengine', log_level='ERROR')
    report = out / 'report.html'
    write_report({TITLES[name]: experiment.folder(runs[name]) / 'train' for name in TITLES}, report, settings, sheets=1)
    print(f'\n{title}\n{table}\n{(time.time() - started) / 60:.1f} minutes. Pictures, curves and table: {out}')
    print(f'All on one page, for a browser: {report}')


def draw(experiment: Experiment, runs: dict[str, Run]) -> None:
    """Cameras beside predicted and true maps of four frames, and curves of training."""
    ours, out = runs['completed'], experiment.out
    experiment.steps.run(
        'panels', 'tools/predict.py', experiment.folder(ours) / 'config.py', experiment.checkpoint(ours), '--out', out,
        '--limit', 4, '--cfg-options', f'test_dataloader.dataset.label_dir={EXACT}',
        'test_dataloader.dataset.sample_interval=6',
    )  # fmt: skip
    logs = {name: experiment.folder(run) / 'train' for name, run in runs.items()}
    curves = {TITLES[name]: logs[name] for name in ('completed', 'supervised')}
    plot_curves({TITLES['finetune']: [logs['pretrain'], logs['finetune']], **curves}, out / 'curves.png')


def iou_table(experiment: Experiment, runs: dict[str, Run]) -> pd.DataFrame:
    """A row for each training; pretraining has the pseudo-labels' classes."""
    rows = {}
    for name, title in TITLES.items():
        figures = read_json(experiment.folder(runs[name]) / 'record.json')['val']['exact']
        classes = [key.removeprefix('threshold_') for key in figures if key.startswith('threshold_')]
        rows[title] = {} if name == 'pretrain' else {'mIoU': 100 * figures['mIoU']}
        rows[title] |= {key: 100 * figures[f'IoU_{key}'] for key in classes if figures[f'IoU_{key}'] is not None}
    table = pd.DataFrame.from_dict(rows, orient='index')
    return table[['mIoU', *table.columns.drop('mIoU')]]


if __name__ == '__main__':
    main()
