"""The whole method on a laptop CPU: make a synthetic nuScenes, train in two phases, compare, draw.

make demo                        about 10 minutes on 2 cores, after set-up
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
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / 'data' / 'synthetic_nuscenes'
OUT = ROOT / 'work_dirs' / 'demo'
CONFIGS = ROOT / 'configs' / 'synthetic'
VERSION = 'v1.0-mini'
SCENES, FRAMES = 10, 10
PRETRAIN_EPOCHS, FINETUNE_EPOCHS = 2, 4
LABEL_FRACTION = 0.5


class Demo:
    """Runs steps once, notes their seconds in summary.json, and leaves out those that are done."""

    def __init__(self) -> None:
        self.path = OUT / 'summary.json'
        self.summary = json.loads(self.path.read_text()) if self.path.is_file() else {}
        self.summary.setdefault('data', 'synthetic')
        self.summary.setdefault('seconds', {})
        self.summary.setdefault('arms', {})

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
        seconds[name] = round(time.time() - started, 1)
        self.save()
        print(f'[demo] {name}: {seconds[name]:.0f} s', flush=True)

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.summary, indent=2) + '\n')

    @staticmethod
    def _environment() -> dict[str, str]:
        return {
            **os.environ,
            'SSL_BEV_SYNTHETIC': str(DATA),
            'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--fresh', action='store_true', help='remove the data and results of an earlier demo first')
    if parser.parse_args().fresh:
        shutil.rmtree(OUT, ignore_errors=True)
        shutil.rmtree(DATA, ignore_errors=True)
    demo = Demo()
    make_data(demo)
    label(demo)
    train(demo)
    evaluate(demo)
    draw(demo)
    print_table(demo)


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
    teacher = ROOT / 'projects' / 'SyntheticNuScenes' / 'teacher' / 'mask2former_v2.py'
    demo.step(
        'pseudo-labels', sys.executable, ROOT / 'tools' / 'generate_pseudo_labels.py', '--teacher', 'mmseg',
        '--config', teacher, '--checkpoint', teacher.with_suffix('.pth'), '--batch-size', '6',
        '--infos', DATA / 'ssl_bev_infos_train.pkl', '--data-root', DATA, '--out', DATA / 'pseudo_labels',
        result=DATA / 'pseudo_labels' / 'manifest.json',
    )  # fmt: skip


def mim_train(demo: Demo, name: str, config: str, last_epoch: int, *options: str) -> Path:
    """Train an arm with `mim train mmdet3d`, and return its checkpoint."""
    checkpoint = OUT / name / f'epoch_{last_epoch}.pth'
    mim = Path(sys.executable).parent / 'mim'
    demo.step(
        f'train {name}', mim, 'train', 'mmdet3d', CONFIGS / config, '--work-dir', OUT / name,
        *(['--cfg-options', *options] if options else []), result=checkpoint,
    )  # fmt: skip
    return checkpoint


def train(demo: Demo) -> None:
    pretrained = mim_train(demo, 'pretrain', 'bevformer_ssl_pretrain.py', PRETRAIN_EPOCHS)
    mim_train(demo, 'finetune', 'bevformer_ssl_finetune.py', FINETUNE_EPOCHS, f'load_from={pretrained}')
    # The baseline gets the same labels and as many steps as both phases together.
    epochs = FINETUNE_EPOCHS + round(PRETRAIN_EPOCHS / LABEL_FRACTION)
    mim_train(
        demo, 'supervised', 'bevformer_supervised.py', epochs,
        f'train_dataloader.dataset.label_fraction={LABEL_FRACTION}',
        f'train_cfg.max_epochs={epochs}', f'train_cfg.val_interval={epochs}',
    )  # fmt: skip


ARMS = {
    'SSL, no labels': ('pretrain', 'bevformer_ssl_pretrain.py'),
    'SSL + 50 % of the labels': ('finetune', 'bevformer_ssl_finetune.py'),
    'supervised, the same 50 %, equal steps': ('supervised', 'bevformer_supervised.py'),
}


def checkpoint_of(name: str) -> Path:
    return max((OUT / name).glob('epoch_*.pth'), key=lambda path: int(path.stem.split('_')[1]))


def evaluate(demo: Demo) -> None:
    for arm, (name, config) in ARMS.items():
        metrics = OUT / name / 'metrics.json'
        demo.step(
            f'evaluate {name}', sys.executable, ROOT / 'tools' / 'test.py', CONFIGS / config, checkpoint_of(name),
            '--work-dir', OUT / name / 'test', '--out', metrics,
            '--cfg-options', 'test_dataloader.dataset.label_dir=truth/bev_labels', result=metrics,
        )  # fmt: skip
        values = json.loads(metrics.read_text())
        iou = {key.removeprefix('bev/'): value for key, value in values.items() if key.startswith('bev/')}
        demo.summary['arms'][arm] = iou
    demo.save()


def draw(demo: Demo) -> None:
    demo.step(
        'draw panels', sys.executable, ROOT / 'tools' / 'predict.py', CONFIGS / 'bevformer_ssl_finetune.py',
        checkpoint_of('finetune'), '--out', OUT, '--limit', '4',
        '--cfg-options', 'test_dataloader.dataset.label_dir=truth/bev_labels',
        'test_dataloader.dataset.sample_interval=6',
    )  # fmt: skip
    from ssl_bev.visualization import plot_curves

    runs = {'SSL + 50 % of the labels': [OUT / 'pretrain', OUT / 'finetune'], 'supervised 50 %': OUT / 'supervised'}
    plot_curves(runs, OUT / 'curves.png')


def print_table(demo: Demo) -> None:
    from rich.console import Console
    from rich.table import Table

    names = ['mIoU', 'drivable_area', 'lane_divider', 'road_divider', 'ped_crossing', 'stop_line']
    table = Table('arm', *names, title='IoU (%) at 0.5 on held-out towns, synthetic data, exact truth')
    for arm, iou in demo.summary['arms'].items():
        if 'IoU_drivable_area' in iou:
            cells = [iou['mIoU'], *(iou[f'IoU_{name}'] for name in names[1:])]
        else:  # the coarse classes of pretraining
            cells = [None, iou['IoU_drivable'], None, None, iou['IoU_crosswalk'], None]
        table.add_row(arm, *('-' if cell is None else f'{100 * cell:.1f}' for cell in cells))
    console = Console(width=120)
    console.print(table)
    console.print(f'{sum(demo.summary["seconds"].values()):.0f} s in all. Pictures, curves and summary.json: {OUT}')


if __name__ == '__main__':
    main()
