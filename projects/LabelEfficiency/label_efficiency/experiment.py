"""Run what was selected, some trainings side by side; each leaves a record, and what is done is not done again."""

from __future__ import annotations

import hashlib
import subprocess
import uuid
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from pprint import pformat
from threading import Lock

from mmengine.config import Config

import ssl_bev
from ssl_bev.engine.phases import phases_of
from ssl_bev.files import write_text
from ssl_bev.visualization.curves import phase_seconds, read_scalars

from .runs import IMAGES, Run
from .steps import PROJECT, Steps, read_json, write_json
from .towns import EXACT, INFOS, PUBLISHED, REGISTERED, UNLABELLED, Towns

# Folder of a scene's votes -> the step that makes them.
VOTES = {'accumulated': 'accumulation', 'votes': 'votes'}
TRUTHS = {'published': PUBLISHED, 'exact': EXACT}


class Experiment:
    """Runs below one folder.

    Args:
        towns: the data, made as far as the runs need them.
        out: folder for runs/{run}/: config.py, record.json, logs and checkpoints.
        on: the pool that trained models are evaluated on: 'val' for choices, 'test' for results.
    """

    def __init__(self, towns: Towns, out: Path, on: str = 'test') -> None:
        self.towns, self.out, self.on, self.steps = towns, out, on, Steps(out, towns.steps.env)
        self._making: defaultdict[str, Lock] = defaultdict(Lock)

    def folder(self, run: Run) -> Path:
        """All of a run."""
        return self.out / 'runs' / run.name

    def records(self) -> list[dict]:
        """Of all runs."""
        return [read_json(path) for path in sorted(self.out.glob('runs/*/record.json'))]

    def run_all(self, runs: Sequence[Run], jobs: int = 1) -> None:
        """Make the data, then train and evaluate, `jobs` at a time; after an error nothing new begins.

        Raises:
            ValueError: a run began with another config, or the data are of other towns.
            StepError: a tool failed.
        """
        for run in runs:
            self._begin(run)
        todo = [run for run in runs if self.on not in read_json(self.folder(run) / 'record.json')]
        if todo:
            self._make_data(todo)
        for run in todo:
            for folder, config in run.completions.items():
                write_config(config, run.completion_file(folder))
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(self._run, todo))

    def checkpoint(self, run: Run) -> Path:
        """That of the best validation, or the last one where validations choose none."""
        best = self.folder(run).glob('train/best_*_epoch_*.pth')
        return max(best, key=lambda path: path.stat().st_mtime, default=self._last_checkpoint(run))

    def _begin(self, run: Run) -> None:
        """Write the config, and a record that says what it is and where it runs."""
        digest, path = write_config(run.config, self.folder(run) / 'config.py'), self.folder(run) / 'record.json'
        if not path.is_file():
            images = '-' if run.reads == {PUBLISHED} else run.images
            about = dict(recipe=run.path.stem, share=run.share, images=images, seed=run.seed, data='synthetic')
            about |= dict(condition=self.towns.condition, options={key: str(run.options[key]) for key in run.options})
            now = dict(code=code_version(), config=digest, series=self._series(), date=date.today().isoformat())
            write_json(path, about | now)

    def _series(self) -> str:
        """Names the runs of one `out` folder, which are of one machine: only their times may be compared."""
        path = self.out / 'series.json'
        if not path.is_file():
            write_json(path, dict(series=uuid.uuid4().hex[:12]))
        return read_json(path)['series']

    def _make_data(self, runs: Sequence[Run]) -> None:
        """All that they read, but for what is made with the config of each one: votes and completed maps."""
        read = {(name, pool) for run in runs for name in run.reads for pool in IMAGES[run.images]}
        self.towns.make(unlabelled=any(pool == UNLABELLED and name != PUBLISHED for name, pool in read))
        for pool in sorted(pool for name, pool in read if name == 'pseudo_labels'):
            self.towns.label(pool)
        if any(name == REGISTERED for name, _ in read):
            self.towns.register()

    def _prepare(self, run: Run, stage: str, name: str) -> None:
        """Make one kind of targets with a run's config, for all frames that it sees."""
        with self._making[name]:  # other runs read the same
            for pool in IMAGES[run.images]:
                self.towns.steps.run(
                    f'{name} {pool}', 'tools/prepare_targets.py', self.folder(run) / 'config.py', '--only', stage,
                    '--quiet', '--cfg-options', f'train_dataloader.dataset.ann_file={INFOS.format(pool)}',
                )  # fmt: skip

    def _run(self, run: Run) -> None:
        for name in sorted(VOTES.keys() & run.reads):
            self._prepare(run, 'accumulation', VOTES[name])
        for folder in run.completions:
            self._prepare(run, 'completion', f'completion {folder}/{run.maps}')
        work_dir, path = self.folder(run) / 'train', self.folder(run) / 'record.json'
        self.steps.run(
            f'training {run.name}', 'tools/train.py', self.folder(run) / 'config.py', '--work-dir', work_dir,
            '--resume', result=self._last_checkpoint(run),
        )  # fmt: skip
        scalars = read_scalars(work_dir)
        steps, phases = max(point['steps'] for point in scalars), phases_of(run.config)
        # Only the last phase teaches the head that is evaluated.
        before = steps * (1 - phases[-1]['epochs'] / run.config.train_cfg.max_epochs)
        validations = [point for point in scalars if 'bev/mIoU' in point and point['steps'] > before]
        record = read_json(path) | dict(
            steps=steps,
            data_seconds=self._data_seconds(run),
            seconds=phase_seconds(scalars, phases),
            curve=[[point[key] for key in ('steps', 'seconds', 'bev/mIoU')] for point in validations],
        )
        write_json(path, {**record, self.on: self._evaluate(run)})

    def _evaluate(self, run: Run) -> dict[str, dict]:
        """Figures on the towns of `on`, against published and against exact labels."""
        figures = {}
        for truth, label_dir in TRUTHS.items():
            out = self.folder(run) / f'{self.on}_{truth}.json'
            changes = [f'ann_file={INFOS.format(self.on)}', f'label_dir={label_dir}']
            self.steps.run(
                f'evaluation {run.name} {out.stem}', 'tools/test.py', self.folder(run) / 'config.py',
                self.checkpoint(run), '--work-dir', self.folder(run) / 'test', '--out', out, '--cfg-options',
                *(f'test_dataloader.dataset.{change}' for change in changes), result=out,
            )  # fmt: skip
            figures[truth] = {name.removeprefix('bev/'): value for name, value in read_json(out).items()}
        return figures

    def _last_checkpoint(self, run: Run) -> Path:
        return self.folder(run) / 'train' / f'epoch_{run.config.train_cfg.max_epochs}.pth'

    def _data_seconds(self, run: Run) -> dict[str, float]:
        """Of a core, for what was made of the images and labels that a run sees."""
        pools, seconds = IMAGES[run.images], self.towns.seconds
        parts = {
            step: seconds(*(f'{step} {pool}' for pool in pools))
            for folder, step in {'pseudo_labels': 'teacher', **VOTES}.items()
            if folder in run.reads
        }
        if REGISTERED in run.reads:
            towns = [town.folder for town in self.towns.towns if 'train' in town.pools]
            parts['registration'] = run.share * seconds(*(f'registration {town}' for town in towns))
        for name in (f'{folder}/{run.maps}' for folder in run.completions):
            parts['completion'] = seconds(*(f'completion {name} {pool}' for pool in pools))
        return parts


def write_config(config: Config, path: Path) -> str:
    """Write a config and return its digest.

    Raises:
        ValueError: another one is there.
    """
    values = config.to_dict().items()
    text = ''.join(f'{key} = {pformat(value, width=119, sort_dicts=False)}\n' for key, value in values)
    if path.is_file() and path.read_text() != text:
        raise ValueError(f'{path} holds another config than the recipe makes now; delete it and what was made with it')
    write_text(path, text)
    return hashlib.sha256(text.replace(str(PROJECT), '').encode()).hexdigest()[:12]


def code_version() -> str:
    """Version of the package and, in a clone, its commit."""
    command = ['git', 'describe', '--always', '--dirty', '--tags']
    commit = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True).stdout.strip()
    return f'{ssl_bev.__version__} {commit}'.strip()
