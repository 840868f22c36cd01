"""Phases of training in one run: self-supervised pretraining, then fine-tuning, or any other sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmdet3d.registry import HOOKS
from mmengine.hooks import EMAHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner

from ssl_bev.random_state import kept_random_state

from .model_wrappers import unwrapped
from .phase_loaders import PhaseLoaders
from .phase_optimizer import build_phase_optimizer, phase_schedules
from .phase_weights import phase_weights
from .phases import PhasePlan
from .seeding import derive_seed, seed_everything


@HOOKS.register_module()
class TwoPhaseHook(Hook):
    """Switch losses, train dataloader, optimizer and schedule from phase to phase.

    The phase is a function of `runner.epoch`, computed before each epoch, so that a resumed run is in the right
    phase by construction. Actions at the start of a phase are not repeated when a run resumes inside it.
    Pretraining and fine-tuning as two runs (the second with `load_from` and one phase of the same name) give the same
    weights as one run with both phases, given the same seed and `ExactResumeHook`.

    Loaders, learning rates and schedules work with any model. Loss weights need a model with two methods:
    `get_loss_weights()` returns a dict of name -> weight of all its losses, `set_loss_weights(weights)` sets them, 0
    for those not named, and raises ValueError for unknown names. It may freeze parameters without a loss: a
    distributed model is then wrapped again. The optimizer and an average of the weights (mmengine's `EMAHook`) restart
    with each phase.

    Args:
        phases: dicts, in their order. The sum of their epochs must be `train_cfg.max_epochs`. Keys:

            - name: unique; random states depend on it.
            - epochs: length of the phase.
            - losses: name -> weight, for `set_loss_weights`. None: the weights of the model's config.
            - train_dataloader: a complete dataloader config, or the name of one in the config file, so that a config
              that inherits this one can change it. None: the config file's `train_dataloader`.
            - lr: learning rate that replaces the one in the optimizer's config.
            - optim_wrapper: a complete optimizer wrapper config. None: that of the config file.
            - param_scheduler: a config or a list; begin and end count from the start of the phase, and end defaults to
              its length. None: that of the config file, restarted. []: constant.
            - init_classes: 'coarse' starts the rows of the fine class layer from the coarse classes they belong to
              (`model.init_fine_from_coarse()`).

    Raises:
        ValueError: unknown keys, losses or dataloaders, epochs that do not add up to max_epochs, and loss weights or
            init_classes for a model that lacks the method.

    Example:
        >>> custom_hooks = [
        ...     dict(
        ...         type='TwoPhaseHook',
        ...         phases=[
        ...             dict(name='pretrain', epochs=8, losses=dict(reprojection=1.0, temporal=0.5)),
        ...             dict(name='finetune', epochs=4, losses=dict(seg=1.0), lr=1e-4, init_classes='coarse',
        ...                  train_dataloader='labelled_dataloader'),
        ...         ],
        ...     ),
        ...     dict(type='ExactResumeHook'),
        ... ]
    """

    priority = 'HIGH'

    def __init__(self, phases: Sequence[Mapping]) -> None:
        self.plan = PhasePlan(phases)
        self._active: int | None = None  # the phase whose optimizer and schedule the runner holds
        self._loaders: PhaseLoaders | None = None  # built before the run
        self._weights: list[dict[str, float] | None] = []

    def before_run(self, runner: Runner) -> None:
        """Check all phases, and build their dataloaders, before training."""
        if not self._trains(runner):
            return
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                f'TwoPhaseHook counts epochs, the train loop is a {type(runner.train_loop).__name__}; '
                'use train_cfg=dict(by_epoch=True, max_epochs=...)'
            )
        if self.plan.total_epochs != runner.max_epochs:
            lengths = ' + '.join(f'{phase.epochs} ({phase.name})' for phase in self.plan.phases)
            raise ValueError(
                f'the epochs of the phases, {lengths} = {self.plan.total_epochs}, must add up to '
                f'train_cfg.max_epochs = {runner.max_epochs}'
            )
        if any(phase.optim_wrapper is None for phase in self.plan.phases) and 'optim_wrapper' not in runner.cfg:
            raise ValueError('TwoPhaseHook restarts the optimizer from its config: build the runner by Runner.from_cfg')
        self._weights = phase_weights(self.plan, unwrapped(runner.model))
        with kept_random_state():  # a run with one phase less initialises its model in the same way
            self._loaders = PhaseLoaders(runner, self.plan)
        runner.train_loop._max_iters = self.loaders.first_iteration(len(self.plan))
        for index in range(len(self.plan)):
            phase_schedules(runner, self.plan, index, self.loaders.iterations(index))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Prepare optimizer and schedule of the phase that saved the checkpoint; mmengine loads their states next."""
        if not (self._trains(runner) and runner._resume):
            return
        index = self._phase_of(checkpoint['meta'])
        self._weigh(runner, index)
        self.loaders.use(runner, index)
        self._build_optimizer(runner, index)
        self._active = index

    def before_train(self, runner: Runner) -> None:
        """Count the resumed phase's updates from its own start.

        Raises:
            ValueError: the run was resumed past this hook.
        """
        if self._active is not None:
            self._count_updates(runner, self._active)
        elif runner.epoch > 0:
            raise ValueError(f'the run starts at epoch {runner.epoch}: resume by resume=True, not by runner.resume()')

    def before_train_epoch(self, runner: Runner) -> None:
        """Start the epoch's phase if it is a new one, and set its loss weights."""
        index, _ = self.plan.locate(runner.epoch)
        self._weigh(runner, index)
        if index != self._active:
            self._start(runner, index)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Record the phase of the optimizer state in the checkpoint."""
        assert self._active is not None  # before_train_epoch has set it
        checkpoint['meta']['phase'] = self.plan[self._active].name

    @property
    def loaders(self) -> PhaseLoaders:
        """Of all phases; they are there once the run has begun."""
        assert self._loaders is not None
        return self._loaders

    def schedules(self, runner: Runner) -> tuple[list[dict], int]:
        """Configs of the running phase's schedules, and the epoch with which they begin."""
        index = self._active
        assert index is not None
        return phase_schedules(runner, self.plan, index, self.loaders.iterations(index)), self.plan.first_epoch(index)

    def _start(self, runner: Runner, index: int) -> None:
        phase = self.plan[index]
        unwrapped(runner.model).zero_grad()
        self.loaders.use(runner, index)
        self._build_optimizer(runner, index)
        if phase.init_classes == 'coarse':
            with kept_random_state():
                seed_everything(derive_seed(phase.name, 'init_classes'))  # the same on every rank
                unwrapped(runner.model).init_fine_from_coarse()
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):
                hook.ema_model.steps.zero_()  # the next update copies the weights
        self._active = index
        self._count_updates(runner, index)
        runner.logger.info(self._describe(runner, index))

    def _weigh(self, runner: Runner, index: int) -> None:
        """Set the loss weights of the phase; if other parameters are trained now, wrap the model again."""
        if self._weights[index] is None:
            return
        model = unwrapped(runner.model)
        trained = [parameter.requires_grad for parameter in model.parameters()]
        model.set_loss_weights(self._weights[index])
        if is_model_wrapper(runner.model) and trained != [p.requires_grad for p in model.parameters()]:
            runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), model)

    def _build_optimizer(self, runner: Runner, index: int) -> None:
        build_phase_optimizer(runner, self.plan, index, self.loaders.iterations(index))

    def _count_updates(self, runner: Runner, index: int) -> None:
        """Gradient accumulation counts from the start of the phase, as it does in a run of its own."""
        first = self.loaders.first_iteration(index)
        runner.optim_wrapper.initialize_count_status(runner.model, runner.iter - first, self.loaders.iterations(index))

    def _phase_of(self, meta: Mapping) -> int:
        epoch = meta['epoch']
        saved = self.plan.index(meta['phase']) if 'phase' in meta else self.plan.locate(max(epoch - 1, 0))[0]
        if epoch < self.plan.total_epochs:
            index, since = self.plan.locate(epoch)
            if index != saved and (index, since) != (saved + 1, 0):
                raise ValueError(
                    f'the checkpoint was saved in phase {self.plan[saved].name!r} after {epoch} epochs, where the '
                    f'config now has phase {self.plan[index].name!r}; resume with the lengths of the phases unchanged'
                )
        return saved

    def _describe(self, runner: Runner, index: int) -> str:
        phase, first = self.plan[index], self.plan.first_epoch(index)
        losses = ', '.join(f'{name} {weight:g}' for name, weight in (self._weights[index] or {}).items() if weight)
        rates = sorted({group['lr'] for group in runner.optim_wrapper.optimizer.param_groups})
        parts = [
            f'Phase {index + 1}/{len(self.plan)} {phase.name!r}: epochs {first + 1} to {first + phase.epochs}',
            f'losses {losses or "of the model"}',
            f'{self.loaders.samples(index)} samples',
            f'learning rate from {" / ".join(f"{rate:g}" for rate in rates)}',
        ]
        return ', '.join(parts + ['class layer from the coarse classes'] * (phase.init_classes == 'coarse'))

    @staticmethod
    def _trains(runner: Runner) -> bool:
        return isinstance(runner._train_loop, BaseLoop)  # a config until train() builds it
