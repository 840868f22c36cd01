"""The loss weights of each phase, checked against the model before the first phase costs hours."""

from __future__ import annotations

from torch import nn

from .phases import Phase, PhasePlan


def phase_weights(plan: PhasePlan, model: nn.Module) -> list[dict[str, float] | None]:
    """The loss weights of each phase; None for all where the model weighs no losses. The model's own stay as they are.

    Raises:
        ValueError: a phase wants something of a model that lacks the method for it, or names a loss that it lacks.
    """
    for phase in plan.phases:
        if phase.losses is not None:
            _must_have(model, ('get_loss_weights', 'set_loss_weights'), phase, 'losses')
        if phase.init_classes is not None:
            _must_have(model, ('init_fine_from_coarse',), phase, 'init_classes')
    if not hasattr(model, 'get_loss_weights'):
        return [None] * len(plan)
    configured, weights = model.get_loss_weights(), []
    for phase in plan.phases:
        wanted = configured if phase.losses is None else phase.losses
        try:
            model.set_loss_weights(wanted)
        except ValueError as error:
            raise ValueError(f'phase {phase.name!r}: {error}') from error
        weights.append(dict(model.get_loss_weights()))
    model.set_loss_weights(configured)
    return weights


def _must_have(model: nn.Module, methods: tuple[str, ...], phase: Phase, key: str) -> None:
    missing = [name for name in methods if not hasattr(model, name)]
    if missing:
        raise ValueError(
            f'phase {phase.name!r} has {key}, for which the model needs {" and ".join(methods)}; '
            f'{type(model).__name__} lacks {", ".join(missing)}. Leave {key} out, or give the model the methods '
            '(see TwoPhaseHook)'
        )
