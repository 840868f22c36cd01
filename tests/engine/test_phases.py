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
        ([dict(name='a', epochs=1, lr=0)], 'lr must be a positive number, got 0'),
        ([dict(name='a', epochs=1, lr='1e-4')], "phase 'a': lr must be a positive number, got '1e-4'"),
        ([dict(name='a', epochs=1, init_classes='fine')], "init_classes must be None or 'coarse', got 'fine'"),
        ([dict(name='a', epochs=1, losses=dict(seg=-1))], 'weight of seg must be a number and not negative, got -1'),
        ([dict(name='a', epochs=1, losses=dict(seg=None))], "'a': the weight of seg must be a number .* got None"),
        ([dict(name='a', epochs=1, losses=['seg'])], r"'a': losses must be a mapping of name -> weight, got \['seg'\]"),
        ([dict(name='a', epochs=1, train_dataloader=dict(batch_size=1))], "'a': train_dataloader .* {'batch_size': 1"),
        ([dict(name='a', epochs=1, train_dataloader=[])], r"'a': train_dataloader .* with a dataset, .* got \[\]"),
        ([dict(name='a', epochs=1, optim_wrapper=dict(optimizer=dict(lr=0.1)))], 'optimizer, got .*0.1}}; .* use lr'),
        ([dict(name='a', epochs=1, optim_wrapper=dict(type='O'))], "'a': optim_wrapper .* type of its optimizer, got"),
        (dict(a=dict(epochs=1)), r"phases must be a list of mappings, one for each phase, got \{'a'"),
        (dict(name='a', epochs=1), "phases must be a list of mappings, one for each phase, got {'name': 'a'"),
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
