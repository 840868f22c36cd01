"""Batches of a dataloader from any position of an epoch, with random numbers that depend only on the position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

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
    """Batches from the given one on; each index comes with its own seed."""

    def __init__(self, batches: Any, seed: int, first: int) -> None:
        self.batches, self.seed, self.first = batches, seed, first

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for number, batch in enumerate(self.batches):
            if number >= self.first:
                yield [(index, derive_seed(self.seed, 'sample', number, place)) for place, index in enumerate(batch)]

    def __len__(self) -> int:
        return max(len(self.batches) - self.first, 0)


def seeded_loader(loader: DataLoader, seed: int, first: int = 0) -> DataLoader:
    """A loader of the same batches without the first ones, which are not read.

    The random numbers of a sample depend on `seed` and its position in the epoch, not on the worker or the number of
    workers. Workers are started again. Reading without workers changes the seeds of Python, numpy and torch.

    Raises:
        ValueError: the loader has no batches of indices.
    """
    if isinstance(loader.dataset, IterableDataset) or loader.batch_sampler is None:
        raise ValueError(
            f'exact resume needs a dataset with indices, read in batches; the train dataloader has '
            f'{type(loader.dataset).__name__} and batch_size {loader.batch_size}'
        )
    settings = {name: getattr(loader, name) for name in _SETTINGS if hasattr(loader, name)}
    batches = SeededBatchSampler(loader.batch_sampler, seed, first)
    return DataLoader(SeededDataset(loader.dataset), batch_sampler=batches, **settings)
