"""The objectives of a model by name, with their weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmdet3d.registry import MODELS
from mmengine.logging import MMLogger
from mmengine.model import ModuleDict
from torch import Tensor, nn

from ssl_bev.files.rules import suggest

from .objective import Objective, Window


class ObjectiveSet(ModuleDict):
    """Objectives with weights, and what those with a weight need.

    Args:
        configs: name -> config of an `Objective`.
        weights: name -> weight; see `set_weights`. None: all are 1.

    Raises:
        ValueError: a name that a module cannot have, or an objective that reads an unknown map.
    """

    def __init__(self, configs: Mapping[str, Mapping], weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        self.weights: dict[str, float] = {}
        self._warned: set[str] = set()
        if taken := [name for name in configs if '.' in name or hasattr(self, name)]:
            raise ValueError(f'objectives cannot be called {taken}: torch takes no dot and no name of an attribute')
        self.update({name: MODELS.build(config) for name, config in configs.items()})
        for name, objective in self.items():
            if objective.reads not in (None, 'fine', 'coarse'):
                raise ValueError(f"reads of objective {name} must be None, 'fine' or 'coarse', got {objective.reads!r}")
        self.set_weights(dict.fromkeys(configs, 1.0) if weights is None else weights)

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Set the weights of all objectives; those not named become 0.

        Raises:
            ValueError: an unknown objective or a negative weight.
        """
        for name, weight in weights.items():
            if name not in self:
                renamed = {'loss_self': 'completed'}.get(name, name.removeprefix('loss_'))  # names of before
                raise ValueError(f'there is no objective {name!r} to weigh; {suggest(renamed, self)}')
            if weight < 0:
                raise ValueError(f'the weight of {name} must not be negative, got {weight}')
        self.weights = {name: float(weights.get(name, 0)) for name in self}

    @property
    def active(self) -> dict[str, Objective]:
        """The objectives that have a weight."""
        return {name: objective for name, objective in self.items() if self.weights[name]}

    @property
    def idle(self) -> list[nn.Module]:
        """Those that have none."""
        return [objective for name, objective in self.items() if not self.weights[name]]

    @property
    def reads(self) -> set[str]:
        """The maps that some active objective reads."""
        return {objective.reads for objective in self.active.values() if objective.reads is not None}

    @property
    def num_frames(self) -> int:
        """The number of frames that the active objectives train."""
        return max((objective.num_frames for objective in self.active.values()), default=1)

    def losses(self, window: Window) -> dict[str, Tensor]:
        """Weighted losses, always one for each objective: 0, without a graph, for those without a weight.

        Raises:
            ValueError: a data sample lacks what an active objective needs.
        """
        losses = {}
        for name, objective in self.items():
            if self.weights[name]:
                self._check(name, objective, window)
                self._warn_of_few_frames(name, objective, window)
                losses[f'loss_{name}'] = self.weights[name] * objective.loss(window)
            else:
                losses[f'loss_{name}'] = torch.zeros((), device=window.rig.bev2img.device)
        return losses

    @staticmethod
    def _check(name: str, objective: Objective, window: Window) -> None:
        for sample in window.data_samples:
            missing = [field for field in objective.needs if field not in sample]
            if missing:
                raise ValueError(
                    f'objective {name} ({type(objective).__name__}) needs {", ".join(missing)}, sample '
                    f'{sample.get("sample_token")} has none; load it in the pipeline, or give {name} no weight'
                )

    def _warn_of_few_frames(self, name: str, objective: Objective, window: Window) -> None:
        if len(window.frames) < objective.min_frames and name not in self._warned:
            self._warned.add(name)
            MMLogger.get_current_instance().warning(
                f'objective {name} ({type(objective).__name__}) trains nothing: it needs {objective.min_frames} frames '
                f'and the window has {len(window.frames)}; raise num_frames of the dataset, or give {name} no weight'
            )
