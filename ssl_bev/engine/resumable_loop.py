"""mmengine's loop over epochs, which can start in the middle of an epoch."""

from __future__ import annotations

import torch
from mmengine.runner import EpochBasedTrainLoop, Runner

from .seeded_loader import SeededLoader


class ResumableEpochLoop(EpochBasedTrainLoop):
    """The loop that `ExactResumeHook` uses instead of mmengine's `EpochBasedTrainLoop`."""

    first_batch = 0  # of the next epoch; those before it were trained on already
    epoch_seed = 0
    _reader: SeededLoader | None = None  # of the loader that is in use; its workers may stay from epoch to epoch

    @classmethod
    def replace(cls, runner: Runner) -> ResumableEpochLoop:
        """Replace the loop of the runner by such a loop, with the same state.

        Raises:
            ValueError: the runner's loop is not `EpochBasedTrainLoop`.
        """
        loop = runner.train_loop
        if type(loop) not in (EpochBasedTrainLoop, cls):
            raise ValueError(
                f'ExactResumeHook resumes in the middle of epochs, the train loop is a {type(loop).__name__}; '
                'use train_cfg=dict(by_epoch=True, max_epochs=...)'
            )
        resumable = cls.__new__(cls)
        resumable.__dict__.update(vars(loop))
        runner._train_loop = resumable
        return resumable

    def run(self) -> torch.nn.Module:
        """As mmengine's; workers do not outlast it."""
        try:
            return super().run()
        finally:
            self._reader = None

    def run_epoch(self) -> None:
        """The epoch, or what remains of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        first, self.first_batch = self.first_batch, 0
        if self._reader is None or self._reader.source is not self.dataloader:
            self._reader = SeededLoader(self.dataloader)
        for number, batch in enumerate(self._reader.epoch(self.epoch_seed, first), first):
            self.run_iter(number, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
