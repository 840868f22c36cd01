"""The loss weights of each phase, checked against the model before training."""

from __future__ import annotations

from typing import Any

from .phases import Phase, PhasePlan


def phase_weights(plan: PhasePlan, model: Any) -> list[dict[str, float] | None]:
    """The loss weights of each phase; None for all if the model has no loss weights. Those of the model do not change.

    Raises:
        ValueError: a phase needs a method that the model lacks, or names an unknown loss.
    """
    for phase in plan.phases:
        if phase.losses is not None:
            _must_have(model, ('get_loss_weights', 'set_loss_weights'), phase, 'losses')
        if phase.init_classes is not None:
            _must_have(model, ('init_fine_from_coarse',), phase, 'init_classes')
    if not hasattr(model, 'get_loss_weights'):
        return [None] * len(plan)
    configured = model.get_loss_weights()
    weights: list[dict[str, float] | None] = []
    for phase in plan.phases:
        wanted = configured if phase.losses is None else phase.losses
        try:
            model.set_loss_weights(wanted)
        except ValueError as error:
            raise ValueError(f'phase {phase.name!r}: {error}') from error
        weights.append(dict(model.get_loss_weights()))
    model.set_loss_weights(configured)
    return weights


def _must_have(model: Any, methods: tuple[str, ...], phase: Phase, key: str) -> None:
    missing = [name for name in methods if not hasattr(model, name)]
    if missing:
        raise ValueError(
            f'phase {phase.name!r} has {key}, for which the model needs {" and ".join(methods)}; '
            f'{type(model).__name__} lacks {", ".join(missing)}. Leave {key} out, or give the model the methods '
            '(see TwoPhaseHook)'
        )
