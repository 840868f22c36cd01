"""Completed maps for a run: a network that learnt from the run's own labelled scenes how labels are drawn."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from mmengine.config import Config

from .arms import ARMS, Run
from .commands import PROJECT, run_tool
from .configs import TOY_BATCHES
from .json_files import read_json, write_json
from .towns import LABELS, REGISTERED, TownData

CONFIG = 'configs/synthetic/label_efficiency/map_completion.py'
RECORD = 'completion.json'
_LOCK = Lock()


class Completion:
    """The maps of one setting, label share and seed, of registered or of published labels; arms share them.

    Args:
        data: the towns, with accumulated targets.
        run: any run of that setting, share and seed.
        out: folder for work directories and logs.
        toy: two steps.
    """

    def __init__(self, data: TownData, run: Run, out: Path, toy: bool = False) -> None:
        self.data, self.run, self.toy = data, run, toy
        registered = ARMS[run.arm].registers
        self.label_dir = REGISTERED if registered else LABELS
        self.labels = run.labels if registered else f'{run.labels}_published'
        self.work_dir = out / 'completion' / f'{run.setting}_{self.labels}'
        self.log = out / 'logs' / f'completion_{run.setting}_{self.labels}.log'

    @property
    def key(self) -> str:
        """Unique."""
        return f'{self.run.setting}/{self.labels}'

    @property
    def folder(self) -> Path:
        """Where the targets are."""
        return self.data.root / 'completed' / self.key

    @property
    def seconds(self) -> float | None:
        """A core's, for training and for all frames; None: not made yet."""
        with _LOCK:
            return read_json(self.data.root / RECORD).get(self.key)

    def make(self) -> None:
        """Train the network and write the targets, as far as they are not there.

        Raises:
            CommandError: a tool failed.
        """
        if self.seconds is not None:
            return
        env = {'SSL_BEV_SYNTHETIC': str(self.data.root), 'SSL_BEV_SSL_IMAGES': self.run.setting}
        dataset = 'train_dataloader.dataset'
        options = [f'randomness.seed={self.run.seed}', *self.run.label_options(dataset)]
        options.append(f'{dataset}.label_dir={self.label_dir}')
        if self.toy:
            options += [f'train_dataloader.sampler.batches={TOY_BATCHES}', 'train_cfg.max_epochs=1']
        epochs = 1 if self.toy else Config.fromfile(PROJECT / CONFIG).train_cfg.max_epochs
        seconds = run_tool(
            'train.py',
            CONFIG,
            '--work-dir',
            self.work_dir,
            '--resume',
            '--cfg-options',
            *options,
            log=self.log,
            env=env,
        )
        checkpoint = self.work_dir / f'epoch_{epochs}.pth'
        seconds += run_tool(
            'complete_maps.py', CONFIG, checkpoint, '--quiet', '--out', self.folder, log=self.log, env=env
        )
        with _LOCK:
            path = self.data.root / RECORD
            write_json(path, {**read_json(path), self.key: round(seconds, 1)})
