"""Measure contenders in turn, each in a process of its own, so that neither load nor leftovers favour one of them."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import numpy as np
import torch

from projects.SyntheticNuScenes.synthetic_nuscenes.calibration import CAMERAS

_STATUS = Path('/proc/self/status')


def alternate(
    contenders: Mapping[str, tuple[Callable, tuple]],
    repeats: int,
    threads: int,
) -> dict[str, dict[str, float]]:
    """Run each contender's step `repeats` times, in turns.

    Args:
        contenders: by name, a function and its arguments. Called in the contender's process, it builds model and
            inputs, warms up on something small, and returns the step: a function without arguments that returns
            seconds by name.
        repeats: measured repetitions. One more comes first, whose time does not count.
        threads: torch's threads in each process.

    Returns:
        By contender: the median of each time in seconds, `cpu` the median of the step's processor time; and of the
        first repetition `peak_increase_mb`, the peak memory over the state before it, and `peak_total_mb`.
    """
    workers = {name: _Worker(build, arguments, threads) for name, (build, arguments) in contenders.items()}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
    for _ in range(repeats + 1):
        for name, worker in workers.items():
            runs[name].append(worker.run())
    for worker in workers.values():
        worker.stop()
    return {name: _summary(results) for name, results in runs.items()}


def conditions(threads: int, repeats: int) -> dict:
    """What a figure must be read with."""
    return dict(
        date=date.today().isoformat(),
        threads=threads,
        repeats=repeats,
        cores=os.cpu_count(),
        load_average=round(os.getloadavg()[0], 1),
        processor=platform.processor() or platform.machine(),
        torch=torch.__version__,
    )


def nuscenes_cameras(height: int, width: int, frame2ego: np.ndarray | None = None) -> torch.Tensor:  # (1, 6, 4, 4)
    """Projections from a frame (default: the ego frame) into the nuScenes car's cameras, in images of this size."""
    matrices = []
    for camera in CAMERAS.values():
        intrinsics = np.eye(4)
        intrinsics[:3, :3] = camera.cam2img(height, width)
        matrices.append(intrinsics @ np.linalg.inv(camera.sensor2ego))
    ego2img = np.stack(matrices)
    return torch.from_numpy(ego2img if frame2ego is None else ego2img @ frame2ego).float()[None]


def memory_mb(field: str) -> float:
    """A field of /proc/self/status, such as VmRSS, VmHWM or RssAnon."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


class _Worker:
    def __init__(self, build: Callable, arguments: tuple, threads: int) -> None:
        context = multiprocessing.get_context('spawn')
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, build, arguments, threads), daemon=True)
        self._process.start()
        theirs.close()
        self._connection.recv()  # built and warm

    def run(self) -> dict[str, float]:
        self._connection.send(True)
        return self._connection.recv()

    def stop(self) -> None:
        self._connection.send(False)
        self._process.join()


def _serve(connection, build: Callable, arguments: tuple, threads: int) -> None:
    torch.set_num_threads(threads)
    step = build(*arguments)
    _return_memory()
    connection.send(True)
    while connection.recv():
        gc.collect()
        before = memory_mb('VmRSS')
        Path('/proc/self/clear_refs').write_text('5')  # resets VmHWM, the highest VmRSS
        started = time.process_time()
        result = step()
        result['cpu'] = time.process_time() - started
        result['peak_total_mb'] = memory_mb('VmHWM')
        result['peak_increase_mb'] = result['peak_total_mb'] - before
        connection.send(result)


def _return_memory() -> None:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def _summary(runs: list[dict[str, float]]) -> dict[str, float]:
    return {
        name: first if name.startswith('peak') else statistics.median(run[name] for run in runs[1:])
        for name, first in runs[0].items()
    }
