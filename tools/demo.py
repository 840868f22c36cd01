"""Show the whole method on a laptop CPU: synthetic nuScenes, a first picture, two trainings, pictures, a report.

make demo                        about 8 minutes on 2 cores, after set-up; the first picture within 90 seconds
python tools/demo.py --fresh     do every step again; otherwise finished steps are kept

Everything is written to work_dirs/demo/: first_look/ with pictures by the weights that come with the project,
report.html with all results on one page, iou.md, panel_*.png, curves.png, and runs/ with a folder for each training.
All figures are for synthetic data, against the exact truth of towns that no training saw. The tool needs a clone.
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

TOWN = Town('.', {'train': 'train', 'val': 'val'}, '--scenes 8 --frames 8', 'v1.0-mini')
TOY_TOWN = TOWN._replace(options='--scenes 2 --frames 3')
# A seed of its own: nothing was trained or measured there.
LOOK = '--split val --scenes 1 --frames 2 --seed 77'
SHIPPED_CONFIG = ROOT / 'configs' / 'synthetic' / 'bevformer_ssl_completed.py'
SHIPPED = ROOT / 'projects' / 'SyntheticNuScenes' / 'model' / 'bevformer_ssl_completed.pth'
# As many steps for both: 10 x 24 pairs of all frames, 20 x 12 pairs of labelled ones.
OPTIONS = {
    'ours': {
        'train_cfg.max_epochs': 10,
        'train_cfg.val_interval': 10,
        'custom_hooks.4.phases.0.epochs': 10,
    },
    'supervised': {'train_cfg.max_epochs': 20, 'train_cfg.val_interval': 20},
}
TITLES = {
    'ours': 'ours: all images, with maps that 50 % of the labels complete',
    'supervised': 'supervised: the same 50 % of the labels',
}
SHIPPED_TITLE = 'weights that come with the project: ours, trained longer, before'


@input_errors(StepError)
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    parser.add_argument('--fresh', action='store_true', help='remove the data and results of an earlier demo first')
    parser.add_argument(
        '--toy', action='store_true', help='a tiny town, a small network, a few steps, to see that it runs'
    )
    parser.add_common(
        '--data-root', '--data', type=Path, default=Path('data/synthetic_nuscenes'), help='created if missing'
    )
    parser.add_common('--out', type=Path, default=Path('work_dirs/demo'), help='folder for runs, table and pictures')
    args = parser.parse_args(arguments)
    data, out, started = args.data_root.resolve(), args.out.resolve(), time.time()
    if args.fresh:
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)
    # Two parallel trainings are faster than one after the other with all cores.
    threads = max(1, (os.cpu_count() or 1) // 2)
    steps = Steps(out / 'data', {'OMP_NUM_THREADS': str(threads), 'OMP_WAIT_POLICY': 'PASSIVE'})
    town, jobs = (TOY_TOWN, 1) if args.toy else (TOWN, 2)
    experiment = Experiment(Towns(data, [town], steps, jobs), out, on='val')
    first_look(experiment)
    print(
        f'A first picture after {time.time() - started:.0f} s, by weights that come with the project: {out}/first_look'
    )

    toy_options, toy_steps = (TOY_OPTIONS, TOY_STEPS) if args.toy else ({}, None)
    runs = {
        name: Run(data, f'configs/synthetic/bevformer_{recipe}.py', 0.5, images='same', steps=toy_steps,
                  options=toy_options or OPTIONS[name])
        for name, recipe in (('ours', 'ssl_completed'), ('supervised', 'supervised'))
    }  # fmt: skip
    experiment.run_all(list(runs.values()), jobs)
    draw(experiment, runs)
    table = iou_table(experiment, runs).to_markdown(floatfmt='.1f', missingval='-')
    title = 'IoU (%) at 0.5 on held-out towns, synthetic data, exact truth'
    (out / 'iou.md').write_text(f'{title}\n\n{table}\n')
    settings = SampleSettings(count=1, frames=2 if args.toy else 8, show_progress=False)
    MMLogger.get_instance('mmengine', log_level='ERROR')
    report = out / 'report.html'
    write_report({TITLES[name]: experiment.folder(runs[name]) / 'train' for name in TITLES}, report, settings, sheets=1)
    print(f'\n{title}\n{table}\n{(time.time() - started) / 60:.1f} minutes. Pictures, curves and table: {out}')
    print(f'All on one page, for a browser: {report}')


def first_look(experiment: Experiment) -> None:
    """Draw the predictions of the shipped weights in a separate town."""
    out, run = experiment.out / 'first_look', experiment.steps.run
    town = out / 'data'
    create = ['projects/SyntheticNuScenes/create.py', '--out', town, *LOOK.split()]
    run('first look, images and map', *create, result=town / 'v1.0-mini')
    infos = town / 'ssl_bev_infos_val.pkl'
    create = ['tools/create_data.py', '--data-root', town, '--version', 'v1.0-mini', '--out', town, '--quiet']
    run('first look, labels', *create, result=infos)
    run(
        'first look, prediction', 'tools/predict.py', SHIPPED_CONFIG, SHIPPED, '--infos', infos, '--data-root', town,
        '--out', out, '--quiet',
    )  # fmt: skip


def draw(experiment: Experiment, runs: dict[str, Run]) -> None:
    """Cameras with predicted maps and BEV labels of two frames, and training curves."""
    run, out = runs['ours'], experiment.out
    experiment.steps.run(
        'panels', 'tools/predict.py', experiment.folder(run) / 'config.py', experiment.checkpoint(run), '--out', out,
        '--limit', 2, '--cfg-options', f'test_dataloader.dataset.label_dir={EXACT}',
        'test_dataloader.dataset.sample_interval=8',
    )  # fmt: skip
    plot_curves({TITLES[name]: experiment.folder(run) / 'train' for name, run in runs.items()}, out / 'curves.png')


def iou_table(experiment: Experiment, runs: dict[str, Run]) -> pd.DataFrame:
    """A row for each training, and for the shipped weights."""
    rows = {TITLES[name]: read_json(experiment.folder(runs[name]) / 'record.json')['val']['exact'] for name in TITLES}
    shipped = experiment.out / 'first_look' / 'val.json'
    dataset = dict(data_root=experiment.towns.root, label_dir=EXACT)
    experiment.steps.run(
        'evaluation of the first look', 'tools/test.py', SHIPPED_CONFIG, SHIPPED, '--work-dir', shipped.parent / 'test',
        '--out', shipped, '--cfg-options', *(f'test_dataloader.dataset.{key}={dataset[key]}' for key in dataset),
        result=shipped,
    )  # fmt: skip
    rows[SHIPPED_TITLE] = {name.removeprefix('bev/'): value for name, value in read_json(shipped).items()}
    table = {}
    for title, figures in rows.items():
        classes = [key.removeprefix('threshold_') for key in figures if key.startswith('threshold_')]
        table[title] = {'mIoU': 100 * figures['mIoU']}
        table[title] |= {key: 100 * figures[f'IoU_{key}'] for key in classes if figures[f'IoU_{key}'] is not None}
    return pd.DataFrame.from_dict(table, orient='index')


if __name__ == '__main__':
    main()
