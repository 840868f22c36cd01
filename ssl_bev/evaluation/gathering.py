"""Results of all processes, each sample once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from mmengine.dist import all_gather_object
from mmengine.logging import MMLogger
from torch import Tensor

Result = TypeVar('Result')


class CountRows:
    """Counts of many samples as the rows of one array.

    Small tensors for each sample would fragment the memory that the large temporary tensors of the samples leave, so
    that the next ones no longer fit: 3 MB per sample are lost on a CPU.
    """

    def __init__(self) -> None:
        self._rows = np.empty((0, 0), np.int32)

    def set(self, index: int, counts: Tensor) -> None:
        """Keep the counts of a sample; those of all samples have one shape."""
        if not len(self._rows):
            self._rows = np.empty((64, *counts.shape), np.int32)
        if index >= len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[index] = counts.cpu().numpy()

    def first(self, number: int) -> np.ndarray:
        """The counts of the first samples, (number, ...)."""
        return self._rows[:number]


def gather_by_token(results: Sequence[tuple[str, Result]], size: int, metric: str) -> list[Result]:
    """One result per sample, for any distribution of samples over processes; the same list on each process.

    mmengine's own collection assumes that samples come in turn (rank 0, 1, .., 0, 1, ..) and drops those that exceed
    the dataset. With tokens, processes may have any samples, any number of them, also twice.

    Args:
        results: sample token and result, of this process.
        size: number of samples in the dataset; another number of results gives a warning.
        metric: name of the metric, for the warning.
    """
    by_token = {token: result for part in all_gather_object(list(results)) for token, result in part}
    if len(by_token) != size:
        MMLogger.get_current_instance().warning(
            f'{metric} evaluated {len(by_token)} different samples of a dataset of {size}'
        )
    return list(by_token.values())
