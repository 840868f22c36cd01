"""Run what was selected, some trainings side by side; each leaves a JSON file, and what is done is not done again."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Lock

from mmengine.config import Config

from ssl_bev.visualization.curves import read_scalars

from .arms import ARMS, SETTINGS, Run
from .commands import run_tool
from .completion import Completion
from .conditions import conditions, environment
from .configs import resolve
from .json_files import read_json, write_json
from .measurements import best_checkpoint, best_validation, curve_of, figures, phase_lengths, phase_seconds
from .plateau import late_gain_pp
from .preparation import prepare
from .towns import TownData


class Experiment:
    """Runs below one folder.

    Args:
        data: the towns; made as far as the runs need them.
        out: folder for the trainings' work directories and logs.
        toy: two steps a phase instead of the config's schedule.
        say: called with a line for each step.
        records: folder for {run}.json; by default `out`/runs. Elsewhere, records outlive the machine.
    """

    def __init__(
        self,
        data: TownData,
        out: Path,
        toy: bool = False,
        say: Callable[[str], None] = print,
        records: Path | None = None,
    ) -> None:
        self.data, self.out, self.toy, self.say = data, out, toy, say
        self.records = records or out / 'runs'
        self._lock = Lock()

    @property
    def series(self) -> str:
        """Names the runs of one `out` folder, which are of one machine: only their times may be compared."""
        path = self.out / 'series.json'
        if not path.is_file():
            write_json(path, dict(series=uuid.uuid4().hex[:12]))
        return read_json(path)['series']

    def record_path(self, run: Run) -> Path:
        """The JSON file of a run."""
        return self.records / f'{run.name}.json'

    def is_done(self, run: Run, with_test: bool) -> bool:
        """Whether a run is finished, and, if wanted, its test."""
        record = read_json(self.record_path(run))
        return 'validation' in record and (not with_test or 'test' in record)

    def prepare(self, runs: Sequence[Run]) -> None:
        """Make the data that runs need."""
        prepare(self.data, runs, self.out, self.toy, self.say)

    def run_all(self, runs: Sequence[Run], with_test: bool, jobs: int = 1) -> None:
        """`run` each, `jobs` at a time. After an error nothing new begins; what is under way is finished.

        Raises:
            ValueError, CommandError: as `run`.
        """
        with ThreadPoolExecutor(jobs) as pool:
            done = [pool.submit(self.run, run, with_test) for run in runs]
            try:
                for future in as_completed(done):
                    future.result()
            except Exception as error:
                pool.shutdown(wait=False, cancel_futures=True)
                self.say(f'ends after the trainings under way: {error}')
                raise

    def run(self, run: Run, with_test: bool) -> dict:
        """Train, or go on with it, then test, and return the record.

        Raises:
            ValueError: the run began with another config.
            CommandError: training or testing failed.
        """
        with self._lock, environment(self._variables(run)):  # the config reads it
            config, options = resolve(run, self.toy)
            record = self._start(run, config, with_test)
        if self.is_done(run, with_test):
            self.say(f'{run.name}: done before')
            return record
        if 'validation' not in record:
            record |= self._train(run, config, options)
            write_json(self.record_path(run), record)
        if with_test:
            record |= self._test(run, record, options)
            write_json(self.record_path(run), record)
        self.say(f'{run.name}: validation mIoU {100 * record["validation"]["noisy"]["mIoU"]:.1f}')
        return record

    def trained(self, run: Run) -> tuple[Config, Path]:
        """Config and best checkpoint of a run that was trained on this machine.

        Raises:
            FileNotFoundError: it was not.
        """
        with self._lock, environment(self._variables(run)):
            return resolve(run, self.toy)[0], best_checkpoint(self._work_dir(run))[0]

    def _start(self, run: Run, config: Config, with_test: bool) -> dict:
        """What is known of a run; nothing, where another machine has the work directory that is still needed."""
        text = json.dumps(config.to_dict(), sort_keys=True, default=str).replace(str(self.data.root), '')
        digest = hashlib.sha256(text.encode()).hexdigest()
        record = read_json(self.record_path(run))
        if record.get('config_sha256', digest) != digest:
            raise ValueError(
                f'{self.record_path(run)} was begun with another config; delete it and {self._work_dir(run)}, or '
                'choose another --out'
            )
        here = record.get('conditions', {}).get('series') == self.series
        if here or self.is_done(run, with_test):
            return record
        record = dict(
            arm=run.arm, title=ARMS[run.arm].title, setting=run.setting, fraction=run.fraction, seed=run.seed,
            variant=run.variant, options=list(run.options), data='synthetic', teacher=self.data.teacher,
            config_sha256=digest, conditions=dict(series=self.series, **conditions()),
        )  # fmt: skip
        write_json(self.record_path(run), record)
        return record

    def _train(self, run: Run, config: Config, options: Sequence[str]) -> dict:
        lengths, work_dir = phase_lengths(config), self._work_dir(run)
        if not (work_dir / f'epoch_{config.train_cfg.max_epochs}.pth').is_file():
            self.say(f'{run.name}: {sum(phase.steps for phase in lengths)} steps ...')
            run_tool(
                'train.py', ARMS[run.arm].config, '--work-dir', work_dir, '--resume', '--cfg-options', *options,
                log=self._log(run), env=self._variables(run),
            )  # fmt: skip
        records = read_scalars(work_dir)
        before = self.data.seconds(run.setting, ARMS[run.arm].accumulates)
        if ARMS[run.arm].registers:
            before['registration'] = self.data.registration_seconds(run.fraction)
        if ARMS[run.arm].completes:
            before['completion'] = self._completion(run).seconds
        seconds = before | phase_seconds(records, lengths)
        curve = curve_of(records, sum(before.values()))
        steps = {phase.name: phase.steps for phase in lengths}
        _, epoch = best_checkpoint(work_dir)
        chosen = best_validation(records, epoch * sum(steps.values()) // config.train_cfg.max_epochs)
        teacher_frames = {'teacher': self.data.frames_seen(run.setting)} if run.setting in SETTINGS else {}
        return dict(
            steps=steps,
            passes=teacher_frames | {phase.name: phase.frames for phase in lengths},
            seconds={name: round(value, 2) for name, value in seconds.items()},
            curve=[point._asdict() for point in curve],
            late_gain_pp=round(late_gain_pp(curve, sum(steps.values())), 3),
            best_epoch=epoch,
            validation=figures(chosen),
            load_average_after=round(os.getloadavg()[0], 1),
        )

    def _test(self, run: Run, record: dict, options: Sequence[str]) -> dict:
        work_dir = self._work_dir(run)
        checkpoint, _ = best_checkpoint(work_dir)
        # Thresholds come from validation towns and their published labels, also where the truth is what counts.
        thresholds = {
            name.removeprefix('threshold_'): value
            for name, value in record['validation']['noisy'].items()
            if name.startswith('threshold_')
        }
        chosen = [
            f'test_evaluator.{index}.chosen_thresholds.{prefix}{name}={value}'
            for index, prefix in enumerate(('', 'exact_'))
            for name, value in thresholds.items()
        ]
        self.say(f'{run.name}: test towns ...')
        out = work_dir / 'test_metrics.json'
        run_tool(
            'test.py', ARMS[run.arm].config, checkpoint, '--work-dir', work_dir / 'test', '--out', out,
            '--cfg-options', *options, *chosen, log=self._log(run), env=self._variables(run),
        )  # fmt: skip
        return dict(thresholds=thresholds, test=figures(read_json(out)))

    def _completion(self, run: Run) -> Completion:
        return Completion(self.data, run, self.out, self.toy)

    def _work_dir(self, run: Run) -> Path:
        return self.out / 'train' / run.name

    def _log(self, run: Run) -> Path:
        return self.out / 'logs' / f'{run.name}.log'

    def _variables(self, run: Run) -> dict[str, str]:
        """What the configs read: where the data are, which images are seen without labels, and which scenes with."""
        images = run.setting if run.setting in SETTINGS else SETTINGS[0]
        data = str(self.data.root)
        return {'SSL_BEV_SYNTHETIC': data, 'SSL_BEV_SSL_IMAGES': images, 'SSL_BEV_LABELS': run.labels}
