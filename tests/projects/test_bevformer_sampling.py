"""Deformable sampling: the compiled CPU path against mmcv's operator, by hand, and under gradcheck."""

import pytest
import torch

from projects.BEVFormer.bevformer.deformable_sampling import RowGroups, deformable_sampling, padded_sampling

SHAPES = [(5, 7), (3, 2)]


def random_problem(seed: int, dtype=torch.float32, groups=(4, 0, 7), heads=3, depth=5, points=4):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(*shape, generator=generator, dtype=dtype)

    rows, positions = sum(groups), sum(h * w for h, w in SHAPES)
    value = draw(len(groups), positions, heads, depth).requires_grad_()
    locations = (draw(rows, heads, len(SHAPES), points, 2) * 1.6 - 0.3).requires_grad_()
    weights = draw(rows, heads, len(SHAPES), points).requires_grad_()
    reads = torch.arange(max(*groups, 1)) < torch.tensor(groups)[:, None]
    return (value, locations, weights), RowGroups.from_mask(reads)[0]


def sample(inputs, groups, function=deformable_sampling):
    value, locations, weights = inputs
    return function(value, SHAPES, locations, weights, groups)


@pytest.mark.parametrize('depth', [1, 8, 17])
def test_equals_the_padded_operator(depth):
    inputs, groups = random_problem(0, depth=depth)
    ours, theirs = sample(inputs, groups), sample(inputs, groups, padded_sampling)
    torch.testing.assert_close(ours, theirs)
    upstream = torch.randn_like(ours)
    for mine, reference in zip(
        torch.autograd.grad(ours, inputs, upstream), torch.autograd.grad(theirs, inputs, upstream), strict=True
    ):
        torch.testing.assert_close(mine, reference, atol=1e-4, rtol=1e-4)


def test_gradcheck():
    inputs, groups = random_problem(1, torch.float64, groups=(1, 2), heads=2, depth=2, points=1)
    assert torch.autograd.gradcheck(lambda *tensors: sample(tensors, groups), inputs)


def test_hand_worked_number():
    # 10 | 20      the location (0.5, 0.25) of a 2 x 2 map lies between the centres of the upper two
    # 30 | 40      (0, 0.25) lies on the left edge: half of it is the zero outside
    value = torch.tensor([10.0, 20, 30, 40]).view(1, 4, 1, 1)
    locations = torch.tensor([[0.5, 0.25], [0.0, 0.25]]).view(1, 1, 1, 2, 2)
    weights = torch.tensor([1.0, 100.0]).view(1, 1, 1, 2)
    output = deformable_sampling(value, [(2, 2)], locations, weights, RowGroups.equal(1, 1, value.device))
    assert output.item() == pytest.approx(15 + 100 * 5)


@pytest.mark.parametrize('far', [-10.0, 1e30, float('inf'), float('nan')])
def test_nothing_is_read_outside(far):
    (value, _, weights), groups = random_problem(2)
    locations = torch.full((*weights.shape, 2), far, requires_grad=True)
    output = sample((value, locations, weights), groups)
    assert (output == 0).all()
    output.sum().backward()
    assert (value.grad == 0).all() and (weights.grad == 0).all() and (locations.grad == 0).all()


def test_threads_change_nothing():
    inputs, groups = random_problem(3)
    results, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            output = sample(inputs, groups)
            results.append([output, *torch.autograd.grad(output.square().sum(), inputs)])
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


def test_no_rows_at_all():
    inputs, groups = random_problem(4, groups=(0, 0))
    output = sample(inputs, groups)
    assert output.shape == (0, 15)
    output.sum().backward()
    assert (inputs[0].grad == 0).all()


def test_no_rows_at_all_for_the_padded_operator():
    groups, _ = RowGroups.from_mask(torch.zeros(3, 5, dtype=torch.bool))
    assert groups.counts == (0, 0, 0)
    value = torch.randn(3, 12, 2, 4, requires_grad=True)
    output = padded_sampling(value, [(3, 4)], torch.zeros(0, 2, 1, 4, 2), torch.zeros(0, 2, 1, 4), groups)
    output.sum().backward()
    assert output.shape == (0, 8) and (value.grad == 0).all()


def test_as_many_rows_for_each_map_are_a_view_of_the_padded_rows():
    inputs, ragged = random_problem(5, groups=(4, 4, 4))
    equal = RowGroups.equal(3, 4, torch.device('cpu'))
    assert torch.equal(ragged.index, equal.index) and equal.slot is None
    ours, theirs = sample(inputs, equal, padded_sampling), sample(inputs, ragged, padded_sampling)
    assert torch.equal(ours, theirs)
    gradients = (torch.autograd.grad(output.square().sum(), inputs) for output in (ours, theirs))
    for mine, reference in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, reference)


def test_groups_know_the_slot_of_each_row():
    reads = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 0, 0]], dtype=torch.bool)
    groups, position = RowGroups.from_mask(reads)
    assert position.tolist() == reads.flatten().nonzero()[:, 0].tolist()
    assert (groups.counts, groups.num_groups, groups.num_rows) == ((2, 0, 3, 0), 4, 5)
    assert (groups.index.tolist(), groups.slot.tolist()) == ([0, 0, 2, 2, 2], [0, 1, 0, 1, 2])
    first, second = groups.split(2)
    assert (first.counts, first.index.tolist(), first.slot.tolist()) == ((2, 0), [0, 0], [0, 1])
    assert (second.counts, second.index.tolist(), second.slot.tolist()) == ((3, 0), [0, 0, 0], [0, 1, 2])
