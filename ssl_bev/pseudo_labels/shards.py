"""Division of the images among processes that are started by hand or by torchrun."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from ssl_bev.process_group import leave_process_group

Item = TypeVar('Item')


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count` parts.

    Raises:
        ValueError: an index outside [0, count).
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f'a shard i/n needs 0 <= i < n, got {self}')

    @classmethod
    def parse(cls, text: str) -> Shard:
        """A shard from 'i/n'."""
        if not re.fullmatch(r'\d+/\d+', text):
            raise ValueError(f"a shard is written i/n, such as 0/4, got '{text}'")
        index, count = map(int, text.split('/'))
        return cls(index, count)

    @classmethod
    def of_rank(cls) -> Shard:
        """The shard of this process under torchrun, by RANK and WORLD_SIZE; the whole without them."""
        return cls(int(os.environ.get('RANK', 0)), int(os.environ.get('WORLD_SIZE', 1)))

    def select(self, items: Sequence[Item]) -> list[Item]:
        """Every `count`-th item; the same items give the same parts, whether they are done or not."""
        return list(items[self.index :: self.count])

    def __str__(self) -> str:
        return f'{self.index}/{self.count}'


def join_ranks() -> bool:
    """Join the processes of torchrun; False without it. They wait for each other without a time limit."""
    if 'MASTER_ADDR' not in os.environ or int(os.environ.get('WORLD_SIZE', 1)) == 1:
        return False
    import torch.distributed as dist

    dist.init_process_group('gloo', timeout=timedelta(days=30))
    return True


def gather_from_ranks(items: Sequence[Item]) -> list[Item]:
    """The items of all ranks, after all have come here: torchrun kills the others if one exits with an error."""
    import torch.distributed as dist

    parts: list[list[Item]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(parts, list(items))
    leave_process_group()
    return [item for part in parts for item in part]
