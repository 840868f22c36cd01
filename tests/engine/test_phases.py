import random

import numpy as np
import pytest
import torch

from ssl_bev.engine import PhasePlan, derive_seed, seed_everything
from ssl_bev.random_state import kept_random_state


def test_phase_of_each_epoch() -> None:
    plan = PhasePlan([dict(name='a', epochs=2), dict(name='b', epochs=1), dict(name='c', epochs=2)])
    assert plan.total_epochs == 5
    assert [plan.locate(epoch) for epoch in range(5)] == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]
    with pytest.raises(ValueError, match=r'epoch 5 .* outside the 5 epochs'):
        plan.locate(5)


@pytest.mark.parametrize(
    ('phases', 'message'),
    [
        ([], 'at least one phase'),
        ([dict(name='a', epoch=2)], "phase 'a' has an unknown key 'epoch'; did you mean 'epochs'"),
        ([dict(name='a', epochs=2, loss=dict())], "unknown key 'loss'; did you mean 'losses'"),
        ([dict(epochs=2)], 'lacks name'),
        ([dict(name='a', epochs=0)], "phase 'a': epochs must be a positive integer, got 0"),
        ([dict(name='a', epochs=1.5)], 'epochs must be a positive integer, got 1.5'),
        ([dict(name='a', epochs=1, lr=0)], 'lr must be positive'),
        ([dict(name='a', epochs=1, init_classes='fine')], "init_classes must be None or 'coarse', got 'fine'"),
        ([dict(name='a', epochs=1, losses=dict(seg=-1))], 'weight of seg must not be negative'),
        ([dict(name='a', epochs=1), dict(name='a', epochs=1)], 'names of phases must differ'),
    ],
)
def test_bad_phases(phases: list[dict], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PhasePlan(phases)


def test_seeds_are_stable_and_differ() -> None:
    assert derive_seed(1, 'a', 2) == derive_seed(1, 'a', 2) < 2**31
    seeds = {
        derive_seed(seed, rank, name, epoch) for seed in (0, 1) for rank in (0, 1) for name in 'ab' for epoch in (0, 1)
    }
    assert len(seeds) == 16


def test_kept_random_state() -> None:
    def draw() -> tuple:
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    seed_everything(3)
    expected = draw(), draw()
    seed_everything(3)
    first = draw()
    with kept_random_state():
        seed_everything(5)
        draw()
    assert (first, draw()) == expected
