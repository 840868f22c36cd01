"""mmengine's loop over epochs, which can start in the middle of an epoch."""

from __future__ import annotations

from mmengine.runner import EpochBasedTrainLoop, Runner

from .seeded_loader import seeded_loader


class ResumableEpochLoop(EpochBasedTrainLoop):
    """The loop that `ExactResumeHook` uses instead of mmengine's `EpochBasedTrainLoop`."""

    first_batch = 0  # of the next epoch; those before it were trained on already
    epoch_seed = 0

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

    def run_epoch(self) -> None:
        """The epoch, or what remains of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        first, self.first_batch = self.first_batch, 0
        for number, batch in enumerate(seeded_loader(self.dataloader, self.epoch_seed, first), first):
            self.run_iter(number, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
