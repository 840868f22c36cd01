"""The completed part of an epoch, in units that are independent of the number of processes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from mmengine.dist import get_world_size
from mmengine.runner import Runner


@dataclass(frozen=True)
class EpochProgress:
    """Batches of each process in the current epoch: completed ones, and all. A checkpoint contains it as a dict."""

    done: int
    batches: int
    batch_size: int
    processes: int

    @classmethod
    def of(cls, runner: Runner, done: int = 0) -> EpochProgress:
        """With the runner's train dataloader."""
        loader = runner.train_loop.dataloader
        return cls(done, len(loader), getattr(loader.batch_sampler, 'batch_size', 1), get_world_size())

    def as_dict(self) -> dict[str, int]:
        return asdict(self)

    def continued_by(self, other: EpochProgress) -> EpochProgress:
        """The same position in an epoch of another shape: no sample is left out, less than a batch is seen twice."""
        samples = self.done * self.batch_size * self.processes
        done = other.batches if self.done == self.batches else samples // (other.batch_size * other.processes)
        return replace(other, done=min(done, other.batches))

    def __str__(self) -> str:
        return f'{self.processes} process(es) of {self.batches} batches of {self.batch_size}'
