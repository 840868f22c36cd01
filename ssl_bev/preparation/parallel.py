"""The same work for many scenes, in one process or several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

import cv2
import torch
from tqdm import tqdm

Job = TypeVar('Job')
Result = TypeVar('Result')


def check_workers(workers: int) -> None:
    """Raise ValueError for fewer than one."""
    if workers < 1:
        raise ValueError(f'workers must be at least 1, got {workers}')


def for_each(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    description: str,
    unit: str = 'scene',
    show_progress: bool = True,
) -> Iterator[Result]:
    """Yield the results of all jobs, in any order; the first error ends the run.

    Args:
        work: function of a job; for several workers it must be picklable.
        jobs: its arguments.
        workers: processes, each with one thread.
        description, unit: of the progress bar.
        show_progress: whether to draw it.
    """
    with tqdm(total=len(jobs), desc=description, unit=unit, disable=not show_progress) as bar:
        if workers == 1:
            for job in jobs:
                yield work(job)
                bar.update()
            return
        context = multiprocessing.get_context('spawn')  # a fork of a process with running threads may hang
        with ProcessPoolExecutor(min(workers, len(jobs) or 1), context, initializer=_start_worker) as pool:
            futures = [pool.submit(work, job) for job in jobs]
            try:
                for future in as_completed(futures):
                    yield future.result()
                    bar.update()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _start_worker() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
