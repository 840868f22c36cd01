"""Batches of a dataloader from any position of an epoch, with random numbers that depend only on the position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

from .pinned_memory import unpin_without_gpu
from .seeding import derive_seed, seed_everything

_SETTINGS = (
    'num_workers',
    'collate_fn',
    'pin_memory',
    'timeout',
    'worker_init_fn',
    'multiprocessing_context',
    'generator',
    'prefetch_factor',
    'persistent_workers',
    'in_order',
)


class SeededDataset(Dataset):
    """Draws the random numbers of a sample from a seed that comes with its index."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, place: tuple[int, int]) -> Any:
        index, seed = place
        seed_everything(seed)
        return self.dataset[index]


class SeededBatchSampler(Sampler):
    """Batches of an epoch from `first` on; each index comes with its own seed, derived from `seed`."""

    def __init__(self, batches: Any) -> None:
        self.batches, self.seed, self.first = batches, 0, 0

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        seed, first = self.seed, self.first
        seed_everything(seed)  # for samplers that draw from the global generators
        for number, batch in enumerate(self.batches):
            if number >= first:
                yield [(index, derive_seed(seed, 'sample', number, place)) for place, index in enumerate(batch)]

    def __len__(self) -> int:
        return max(len(self.batches) - self.first, 0)


class SeededLoader:
    """Reads the batches of a loader, epoch after epoch.

    The random numbers of a sample depend on the seed of the epoch and its position in the epoch, not on the worker, the
    number of workers, or what they read before. So workers may stay from epoch to epoch (`persistent_workers`). Reading
    without workers changes the seeds of Python, numpy and torch.

    Raises:
        ValueError: the loader has no batches of indices.
    """

    def __init__(self, loader: DataLoader) -> None:
        if isinstance(loader.dataset, IterableDataset) or loader.batch_sampler is None:
            raise ValueError(
                f'exact resume needs a dataset with indices, read in batches; the train dataloader has '
                f'{type(loader.dataset).__name__} and batch_size {loader.batch_size}'
            )
        self.source = loader
        self._batches = SeededBatchSampler(loader.batch_sampler)
        settings = {name: getattr(loader, name) for name in _SETTINGS if hasattr(loader, name)}
        self._loader = DataLoader(SeededDataset(loader.dataset), batch_sampler=self._batches, **settings)
        unpin_without_gpu(self._loader)

    def epoch(self, seed: int, first: int = 0) -> Iterator[Any]:
        """The batches of an epoch without the first ones, which are not read."""
        self._batches.seed, self._batches.first = seed, first
        return iter(self._loader)
