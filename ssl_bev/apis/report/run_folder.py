"""What a training left in its work directory."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mmengine.config import Config

from ssl_bev.checkpoints import find_last_good
from ssl_bev.engine import load_config
from ssl_bev.visualization.curves import read_scalars

STAMP = re.compile(r'^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) - mmengine', re.MULTILINE)
VERSIONS = ('Python', 'PyTorch', 'MMEngine', 'OpenCV', 'GCC', 'CUDA available', 'GPU 0', 'CUDA_HOME', 'NVCC')
IOU = re.compile(r'(^|/)m?IoU')


@dataclass(frozen=True)
class RunFolder:
    """One training.

    Args:
        name: in the report.
        path: its work directory.
        config: None if there is none.
        scalars: from `read_scalars`; empty if nothing was logged.
        validations: (epoch or step, metrics) of each, in order of training.
        tests: (date, metrics) of each.
        checkpoint: the best one, or else the last one; None if there is none.
        versions: of libraries and machine, from the log.
        wall_seconds: from the first to the last line of each log, in total.
        notes: messages about missing or unreadable parts.
    """

    name: str
    path: Path
    config: Config | None
    scalars: Sequence[Mapping]
    validations: Sequence[tuple[int, Mapping[str, float]]]
    tests: Sequence[tuple[str, Mapping[str, float]]]
    checkpoint: Path | None
    versions: Mapping[str, str]
    wall_seconds: float
    notes: Sequence[str]


def read_run(path: str | Path, name: str | None = None) -> RunFolder:
    """Read a work directory; missing parts are noted.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it contains no training, or its scalars cannot be read.
    """
    path, notes = Path(path), []
    if not path.is_dir():
        raise FileNotFoundError(f'no work directory at {path}')
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            scalars = read_scalars(path)
        notes += [str(warning.message) for warning in caught]
    except FileNotFoundError:
        scalars = []
        notes.append('No scalars were logged: no curves, no timings.')
    config = _read_config(path, notes)
    checkpoint = _find_checkpoint(path, notes)
    if not scalars and config is None and checkpoint is None:
        raise ValueError(f'{path} holds no training: no config, no */vis_data/scalars.json and no checkpoint')
    texts = [file.read_text(errors='replace') for file in sorted(path.glob('*/*.log'))]
    validations = [(int(record.get('step', 0)), _metrics(record)) for record in scalars if _metrics(record)]
    return RunFolder(
        name=path.name if name is None else name,
        path=path,
        config=config,
        scalars=scalars,
        validations=validations,
        tests=_read_tests(path),
        checkpoint=checkpoint,
        versions=_read_versions(texts),
        wall_seconds=sum(map(_wall_seconds, texts)),
        notes=notes,
    )


def _metrics(record: Mapping) -> dict[str, float]:
    """The metrics of a validation or test; empty for a training record."""
    if not any(IOU.search(key) for key in record):
        return {}
    return {key: value for key, value in record.items() if '/' in key and isinstance(value, int | float)}


def _read_config(path: Path, notes: list[str]) -> Config | None:
    """The newest config that a run dumped, with all values resolved."""
    files = sorted(path.glob('*/vis_data/config.py')) or sorted(
        path.glob('*.py'), key=lambda file: file.stat().st_mtime
    )
    if not files:
        notes.append('No config: no samples and no pseudo-label sheets can be drawn.')
        return None
    try:
        return load_config(files[-1])
    except ImportError as error:  # a module may have moved since; the config can still be shown
        reason = str(error).splitlines()[0]
        notes.append(f'The config {files[-1].name} imports what is not there, so no model can be built: {reason}')
        return Config.fromfile(files[-1], import_custom_modules=False)


def _find_checkpoint(path: Path, notes: list[str]) -> Path | None:
    best = max(path.glob('best_*.pth'), key=lambda file: file.stat().st_mtime, default=None)
    if best is not None:
        return best
    try:
        last, _ = find_last_good(path)
    except ValueError:
        last = None  # no training can be resumed, but there may be weights to predict with
    last = last or max(path.glob('*.pth'), key=lambda file: file.stat().st_mtime, default=None)
    if last is None:
        notes.append('No checkpoint: no samples can be drawn.')
    return last


def _read_tests(path: Path) -> list[tuple[str, dict[str, float]]]:
    """Results of `tools/test.py` with this folder as its work directory."""
    tests = []
    for file in sorted(path.glob('*/*.json')):
        try:
            metrics = _metrics(json.loads(file.read_text()))
        except (json.JSONDecodeError, AttributeError):
            continue
        if metrics:
            tests.append((_date(file.stem), metrics))
    return tests


def _date(stamp: str) -> str:
    try:
        return datetime.strptime(stamp, '%Y%m%d_%H%M%S').strftime('%Y-%m-%d %H:%M')
    except ValueError:
        return stamp


def _read_versions(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        for key in VERSIONS:
            value = re.search(rf'^    {re.escape(key)}: (.+)$', text, re.MULTILINE)
            if value:
                found[key] = value[1]
    return found


def _wall_seconds(text: str) -> float:
    first = STAMP.search(text)
    if first is None:
        return 0.0
    last = STAMP.search(text, text.rindex(' - mmengine') - 19)
    begin, end = (datetime.strptime(stamp[1], '%Y/%m/%d %H:%M:%S') for stamp in (first, last or first))
    return (end - begin).total_seconds()
