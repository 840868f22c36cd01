"""A training schedule as data: named phases in order, and the phase of each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

from ssl_bev.files.rules import suggest

CLASS_INITS = ('coarse',)


@dataclass(frozen=True)
class Phase:
    """One phase of a `TwoPhaseHook`, which documents the fields.

    Raises:
        ValueError: a value of another type or outside its range, or a part of a config where a complete one must be.
    """

    name: str
    epochs: int
    losses: Mapping[str, float] | None = None
    train_dataloader: Mapping | str | None = None
    lr: float | None = None
    optim_wrapper: Mapping | None = None
    param_scheduler: Mapping | Sequence[Mapping] | None = None
    init_classes: str | None = None

    def __post_init__(self) -> None:
        where = f'phase {self.name!r}'
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f'name of a phase must be a non-empty string, got {self.name!r}')
        if not isinstance(self.epochs, int) or self.epochs < 1:
            raise ValueError(f'{where}: epochs must be a positive integer, got {self.epochs!r}')
        if self.lr is not None and not (isinstance(self.lr, Real) and self.lr > 0):
            raise ValueError(f'{where}: lr must be a positive number, got {self.lr!r}')
        if self.init_classes is not None and self.init_classes not in CLASS_INITS:
            raise ValueError(f"{where}: init_classes must be None or 'coarse', got {self.init_classes!r}")
        if not isinstance(self.losses, Mapping | None):
            raise ValueError(f'{where}: losses must be a mapping of name -> weight, got {self.losses!r}')
        for loss, weight in (self.losses or {}).items():
            if not isinstance(weight, Real) or weight < 0:
                raise ValueError(f'{where}: the weight of {loss} must be a number and not negative, got {weight!r}')
        if not isinstance(self.train_dataloader, str | None) and not _has(self.train_dataloader, 'dataset'):
            raise ValueError(
                f'{where}: train_dataloader must be a complete config, with a dataset, or the name of one in the '
                f'config file, got {self.train_dataloader!r}'
            )
        if self.optim_wrapper is not None and not _has(self.optim_wrapper, 'optimizer', 'type'):
            raise ValueError(
                f'{where}: optim_wrapper must be a complete config, with the type of its optimizer, got '
                f'{self.optim_wrapper!r}; to change the learning rate alone, use lr'
            )

    @classmethod
    def from_config(cls, config: Mapping) -> Phase:
        """A phase from a dict in a config file.

        Raises:
            ValueError: an unknown key, or `name` or `epochs` missing.
        """
        known = [field.name for field in fields(cls)]
        for key in config:
            if key not in known:
                raise ValueError(f'phase {config.get("name")!r} has an unknown key {key!r}; {suggest(key, known)}')
        missing = [key for key in ('name', 'epochs') if key not in config]
        if missing:
            raise ValueError(f'phase {dict(config)} lacks {" and ".join(missing)}')
        return cls(**config)


class PhasePlan:
    """Phases in their order.

    Args:
        phases: `Phase` arguments, one mapping per phase.

    Raises:
        ValueError: no phase, a name twice, or a bad phase.
    """

    def __init__(self, phases: Sequence[Mapping]) -> None:
        if not isinstance(phases, Sequence) or not all(isinstance(config, Mapping) for config in phases):
            raise ValueError(f'phases must be a list of mappings, one for each phase, got {phases!r}')
        self.phases = tuple(Phase.from_config(config) for config in phases)
        if not self.phases:
            raise ValueError('phases must name at least one phase')
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise ValueError(f'names of phases must differ, got {names}')

    def __len__(self) -> int:
        return len(self.phases)

    def __getitem__(self, index: int) -> Phase:
        return self.phases[index]

    @property
    def total_epochs(self) -> int:
        """Epochs of all phases together."""
        return self.first_epoch(len(self.phases))

    def first_epoch(self, index: int) -> int:
        """The epoch, counted from 0, with which a phase starts."""
        return sum(phase.epochs for phase in self.phases[:index])

    def locate(self, epoch: int) -> tuple[int, int]:
        """Index of the phase of an epoch, and the number of epochs of that phase before it.

        Raises:
            ValueError: the epoch lies outside all phases.
        """
        for index, phase in enumerate(self.phases):
            since = epoch - self.first_epoch(index)
            if 0 <= since < phase.epochs:
                return index, since
        raise ValueError(f'epoch {epoch} (counted from 0) lies outside the {self.total_epochs} epochs of the phases')

    def index(self, name: str) -> int:
        """Index of a phase by name.

        Raises:
            ValueError: no phase has this name.
        """
        names = [phase.name for phase in self.phases]
        if name not in names:
            raise ValueError(f'there is no phase {name!r}; {suggest(name, names)}')
        return names.index(name)


def _has(config: Any, *keys: str) -> bool:
    for key in keys:
        if not isinstance(config, Mapping) or key not in config:
            return False
        config = config[key]
    return True


def phases_of(config: Mapping) -> Sequence[Mapping]:
    """The phases of a config; a single one if it has no `TwoPhaseHook`."""
    hooks = [hook for hook in config.get('custom_hooks', []) if hook['type'] == 'TwoPhaseHook']
    return hooks[0]['phases'] if hooks else [dict(name='training', epochs=config['train_cfg']['max_epochs'])]
