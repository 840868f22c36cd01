"""The whole method on a laptop CPU: synthetic nuScenes, training in three ways with half of the labels, pictures.

make demo                        about 11 minutes on 2 cores, after set-up
python tools/demo.py --fresh     do every step again; otherwise finished steps are kept

Everything is written to work_dirs/demo/: summary.json, panel_*.png, curves.png and a work directory for each arm. All
figures are of synthetic data, against the exact truth of towns that no arm was trained on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from ssl_bev.files import write_text

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / 'data' / 'synthetic_nuscenes'
OUT = ROOT / 'work_dirs' / 'demo'
CONFIGS = ROOT / 'configs' / 'synthetic'
TEACHER = ROOT / 'projects' / 'SyntheticNuScenes' / 'teacher' / 'mask2former_v2.py'
VERSION = 'v1.0-mini'
SCENES, FRAMES = 10, 10
# Name: config, epochs, further options. The paper's two phases, ours and the baseline take 320 steps each.
ARMS = {
    'pretrain': ('bevformer_ssl_pretrain.py', 2, []),
    'finetune': ('bevformer_ssl_finetune.py', 8, [f'load_from={OUT / "pretrain" / "epoch_2.pth"}']),
    'completed': ('bevformer_ssl_completed.py', 8, []),
    'supervised': (
        'bevformer_supervised.py', 16,
        ['train_dataloader.dataset.label_fraction=0.5', 'train_cfg.max_epochs=16', 'train_cfg.val_interval=8'],
    ),
}  # fmt: skip
CLASSES = ('drivable_area', 'lane_divider', 'road_divider', 'ped_crossing', 'stop_line')
TITLES = {
    'pretrain': 'SSL, no labels',
    'finetune': "the paper's SSL + 50 % of the labels",
    'completed': 'ours, with the same 50 %',
    'supervised': 'supervised, the same 50 %',
}


class Demo:
    """Runs steps once, notes their seconds in summary.json, and leaves out those that are done."""

    def __init__(self) -> None:
        self.path = OUT / 'summary.json'
        self.summary = json.loads(self.path.read_text()) if self.path.is_file() else {}
        self.summary.setdefault('data', 'synthetic')
        self.summary.setdefault('seconds', {})
        self.summary.setdefault('arms', {})
        self.lock = Lock()
        self.threads: int | None = None  # of each step; None: as many as there are cores

    def step(self, name: str, *command: str | Path, result: Path | None = None) -> None:
        """Run a command unless it is done; `result` must exist for it to count as done."""
        seconds = self.summary['seconds']
        if name in seconds and (result is None or result.exists()):
            print(f'[demo] {name}: done before ({seconds[name]:.0f} s)', flush=True)
            return
        print(f'[demo] {name} ...', flush=True)
        log = OUT / 'logs' / f'{name.replace(" ", "_")}.log'
        log.parent.mkdir(parents=True, exist_ok=True)
        started = time.time()
        with open(log, 'w') as file:
            code = subprocess.run(
                [str(part) for part in command],
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self._environment(),
            ).returncode
        if code:
            print(''.join(log.read_text().splitlines(keepends=True)[-15:]), file=sys.stderr)
            sys.exit(f'[demo] {name} failed with exit code {code}; the whole log: {log}')
        with self.lock:
            seconds[name] = round(time.time() - started, 1)
            self.save()
        print(f'[demo] {name}: {seconds[name]:.0f} s', flush=True)

    def save(self) -> None:
        write_text(self.path, json.dumps(self.summary, indent=2) + '\n')

    def _environment(self) -> dict[str, str]:
        path = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
        threads = {'OMP_NUM_THREADS': str(self.threads), 'OMP_WAIT_POLICY': 'PASSIVE'} if self.threads else {}
        return {**os.environ, 'SSL_BEV_SYNTHETIC': str(DATA), 'PATH': path, **threads}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--fresh', action='store_true', help='remove the data and results of an earlier demo first')
    if parser.parse_args().fresh:
        shutil.rmtree(OUT, ignore_errors=True)
        shutil.rmtree(DATA, ignore_errors=True)
    demo = Demo()
    started = time.time()
    make_data(demo)
    label(demo)
    # Two trainings side by side are done sooner than one after the other with all cores.
    demo.threads = max(1, (os.cpu_count() or 1) // 2)
    with ThreadPoolExecutor(2) as lanes:
        for lane in [lanes.submit(train_as_published, demo), lanes.submit(train_ours, demo)]:
            lane.result()
    draw(demo)
    print_table(demo)
    print(f'{(time.time() - started) / 60:.1f} minutes. Pictures, curves and summary.json: {OUT}')


def make_data(demo: Demo) -> None:
    python, tools = sys.executable, ROOT / 'tools'
    if not DATA.exists():
        demo.summary['seconds'].pop('synthetic nuScenes', None)
    demo.step(
        'synthetic nuScenes', python, tools / 'create_synthetic_nuscenes.py', '--out', DATA, '--version', VERSION,
        '--scenes', SCENES, '--frames', FRAMES, '--annotation-noise', 'nuscenes', result=DATA / VERSION,
    )  # fmt: skip
    create = [python, tools / 'create_data.py', '--version', VERSION]
    demo.step('infos and labels', *create, '--root', DATA, '--out', DATA, result=DATA / 'ssl_bev_infos_val.pkl')
    demo.step(
        'exact labels', *create, '--root', DATA / 'truth', '--out', DATA / 'truth', '--labels-only',
        result=DATA / 'truth' / 'bev_labels',
    )  # fmt: skip


def label(demo: Demo) -> None:
    """Pseudo-labels of the training images, by the small Mask2Former that comes with the synthetic world."""
    demo.step(
        'pseudo-labels', sys.executable, ROOT / 'tools' / 'generate_pseudo_labels.py', '--teacher', 'mmseg',
        '--config', TEACHER, '--checkpoint', TEACHER.with_suffix('.pth'), '--batch-size', '6',
        '--infos', DATA / 'ssl_bev_infos_train.pkl', '--data-root', DATA, '--out', DATA / 'pseudo_labels',
        result=DATA / 'pseudo_labels' / 'manifest.json',
    )  # fmt: skip


def train_as_published(demo: Demo) -> None:
    """Labels alone; and both phases of the paper: without labels, then with half of them."""
    for name in ('supervised', 'pretrain', 'finetune'):
        train_and_test(demo, name)


def train_ours(demo: Demo) -> None:
    """Half of the labels teach how maps are completed; completed maps of all frames teach BEVFormer."""
    python, tools = sys.executable, ROOT / 'tools'
    labels = ['--infos', DATA / 'ssl_bev_infos_train.pkl', '--pseudo-labels', DATA / 'pseudo_labels']
    labels += ['--label-map', 'mapillary_v2', '--quiet']
    demo.step(
        'accumulate pseudo-labels', python, tools / 'accumulate_pseudo_labels.py', *labels, '--workers', '1',
        '--classes', 'drivable', 'dashed', 'solid', 'stop_line', 'crosswalk', '--out', DATA / 'accumulated',
        result=DATA / 'accumulated',
    )  # fmt: skip
    demo.step(
        'register labels', python, tools / 'register_labels.py', *labels, '--root', DATA,
        '--out', DATA / 'bev_labels_registered', result=DATA / 'bev_labels_registered',
    )  # fmt: skip
    completion = mim_train(demo, 'map completion', 'map_completion.py', 30)
    demo.step(
        'complete maps', python, tools / 'complete_maps.py', CONFIGS / 'map_completion.py', completion, '--quiet',
        '--out', DATA / 'completed', result=DATA / 'completed',
    )  # fmt: skip
    train_and_test(demo, 'completed')


def mim_train(demo: Demo, name: str, config: str, last_epoch: int, *options: str) -> Path:
    """Train with `mim train mmdet3d`, and return the checkpoint."""
    work_dir = OUT / name.replace(' ', '_')
    checkpoint = work_dir / f'epoch_{last_epoch}.pth'
    mim = Path(sys.executable).parent / 'mim'
    demo.step(
        f'train {name}', mim, 'train', 'mmdet3d', CONFIGS / config, '--work-dir', work_dir,
        *(['--cfg-options', *options] if options else []), result=checkpoint,
    )  # fmt: skip
    return checkpoint


def train_and_test(demo: Demo, name: str) -> None:
    config, epochs, options = ARMS[name]
    checkpoint = mim_train(demo, name, config, epochs, *options)
    metrics = OUT / name / 'metrics.json'
    demo.step(
        f'evaluate {name}', sys.executable, ROOT / 'tools' / 'test.py', CONFIGS / config, checkpoint,
        '--work-dir', OUT / name / 'test', '--out', metrics,
        '--cfg-options', 'test_dataloader.dataset.label_dir=truth/bev_labels', result=metrics,
    )  # fmt: skip
    values = json.loads(metrics.read_text())
    iou = {key.removeprefix('bev/'): value for key, value in values.items() if key.startswith('bev/')}
    with demo.lock:
        demo.summary['arms'][name] = iou
        demo.save()


def draw(demo: Demo) -> None:
    config, epochs, _ = ARMS['completed']
    demo.step(
        'draw panels', sys.executable, ROOT / 'tools' / 'predict.py', CONFIGS / config,
        OUT / 'completed' / f'epoch_{epochs}.pth', '--out', OUT, '--limit', '4',
        '--cfg-options', 'test_dataloader.dataset.label_dir=truth/bev_labels',
        'test_dataloader.dataset.sample_interval=6',
    )  # fmt: skip
    from ssl_bev.visualization import plot_curves

    runs = {TITLES[name]: OUT / name for name in ('completed', 'supervised')}
    plot_curves({TITLES['finetune']: [OUT / 'pretrain', OUT / 'finetune'], **runs}, OUT / 'curves.png')


def print_table(demo: Demo) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table('arm', 'mIoU', *CLASSES, title='IoU (%) at 0.5 on held-out towns, synthetic data, exact truth')
    for name, title in TITLES.items():
        iou = demo.summary['arms'][name]
        if 'IoU_marking' in iou:  # the coarse classes of pretraining
            iou = dict(IoU_drivable_area=iou['IoU_drivable'], IoU_ped_crossing=iou['IoU_crosswalk'])
        cells = [iou.get(key) for key in ('mIoU', *(f'IoU_{name}' for name in CLASSES))]
        table.add_row(title, *('-' if cell is None else f'{100 * cell:.1f}' for cell in cells))
    Console(width=120).print(table)


if __name__ == '__main__':
    main()
