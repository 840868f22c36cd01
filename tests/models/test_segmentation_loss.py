import math

import pytest
import torch

from ssl_bev.models import SegmentationLoss, segmentation_loss


def naive(logits, target, weight, positive_weight, dice_weight):
    losses, dices = [], []
    for k in range(logits.shape[1]):
        total = mass = overlap = size = truth = 0.0
        for b in range(logits.shape[0]):
            for z, y, w in zip(
                logits[b, k].flatten().tolist(),
                target[b, k].flatten().tolist(),
                weight[b, 0].flatten().tolist(),
                strict=True,
            ):
                if y == 255:
                    continue
                p = 1 / (1 + math.exp(-z))
                total -= w * (positive_weight[k] * y * math.log(p) + (1 - y) * math.log(1 - p))
                mass += w
                overlap += w * p * y
                size += w * (p + y)
                truth += w * y
        if mass:
            losses.append(total / mass)
        if truth:
            dices.append(1 - 2 * overlap / size)
    return sum(losses) / len(losses) + dice_weight * sum(dices) / len(dices)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=generator)
    target = torch.tensor([0, 1, 255], dtype=torch.uint8)[torch.randint(0, 3, (2, 3, 4, 5), generator=generator)]
    target[:, 2] = 255  # a class that nobody labelled
    return logits, target, torch.rand(2, 1, 4, 5, generator=generator)


def test_equals_a_naive_loop(batch):
    logits, target, weight = batch
    loss = SegmentationLoss(positive_weight=[2.0, 3.0, 1.0], dice_weight=0.5)
    expected = naive(logits, target, weight, [2.0, 3.0, 1.0], 0.5)
    assert loss(logits, target, weight).item() == pytest.approx(expected, rel=1e-5)


def test_zero_at_the_perfect_answer():
    target = torch.tensor([[[[0, 1, 1, 255]]]], dtype=torch.uint8)
    logits = torch.tensor([[[[-40.0, 40.0, 40.0, 3.0]]]])
    assert segmentation_loss(logits, target, dice_weight=1.0).item() == pytest.approx(0, abs=1e-6)


def test_closed_form_of_the_undecided():
    """p = 0.5 everywhere costs log 2, whatever the labels."""
    target = torch.tensor([[[[0, 1, 0, 0]]]], dtype=torch.uint8)
    assert segmentation_loss(torch.zeros(1, 1, 1, 4), target).item() == pytest.approx(math.log(2))


def test_all_ignored_gives_zero_with_a_graph():
    logits = torch.randn(1, 2, 3, 3, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 2, 3, 3), 255), dice_weight=1.0)
    loss.backward()
    assert loss.item() == 0 and (logits.grad == 0).all()


def test_zero_weight_cells_do_not_count(batch):
    logits, target, weight = batch
    weight = (weight > 0.5).float()
    loss = segmentation_loss(logits, target, weight)
    disturbed = torch.where(weight.bool(), logits, 99.0)
    torch.testing.assert_close(loss, segmentation_loss(disturbed, target, weight))


def test_confident_wrong_answers_stay_finite():
    logits = torch.tensor([[[[200.0, -200.0]]]], requires_grad=True)
    loss = segmentation_loss(logits, torch.tensor([[[[0, 1]]]]), dice_weight=1.0)
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()


def test_errors():
    with pytest.raises(ValueError, match=r'shape of logits \(1, 2, 3, 3\), got \(1, 1, 3, 3\)'):
        segmentation_loss(torch.zeros(1, 2, 3, 3), torch.zeros(1, 1, 3, 3))
    with pytest.raises(ValueError, match='positive_weight has 2 values for 3 classes'):
        SegmentationLoss([1.0, 2.0])(torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2))


def test_soft_targets_equal_a_naive_loop_and_hard_ones_stay_as_they_are(batch):
    logits, hard, weight = batch
    soft = torch.where(hard == 255, 255.0, torch.rand(hard.shape, generator=torch.Generator().manual_seed(1)))
    arguments = dict(weight=weight, positive_weight=torch.tensor([1.0, 3.0, 2.0]), dice_weight=0.5)
    torch.testing.assert_close(
        segmentation_loss(logits, soft, **arguments), torch.tensor(naive(logits, soft, weight, [1, 3, 2], 0.5))
    )
    torch.testing.assert_close(
        segmentation_loss(logits, hard.float(), **arguments), segmentation_loss(logits, hard, **arguments)
    )
    certain = torch.logit(torch.full((1, 1, 4, 4), 0.3))
    least = segmentation_loss(certain, torch.full((1, 1, 4, 4), 0.3))
    assert least < segmentation_loss(certain + 0.1, torch.full((1, 1, 4, 4), 0.3))
    assert least < segmentation_loss(certain - 0.1, torch.full((1, 1, 4, 4), 0.3))


@pytest.mark.parametrize('options', [dict(), dict(dice_weight=1.0)])
def test_gradients_of_every_term(options):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 6, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.randint(0, 2, logits.shape, generator=generator).double()
    target[0, 0, 0] = 255
    weight = torch.rand(2, 1, 6, 7, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: segmentation_loss(z, target, weight, **options), logits)
    extreme = torch.tensor([[[[200.0, -200.0, 0.0]]]], requires_grad=True)
    segmentation_loss(extreme, torch.tensor([[[[0, 1, 1]]]]), **options).backward()
    assert extreme.grad.isfinite().all()


def test_bad_options():
    for options in (dict(positive_weight=-1.0), dict(positive_weight=[]), dict(dice_weight=-1)):
        with pytest.raises(ValueError, match=r'positive_weight \(at least one\) and dice_weight must not be negative'):
            SegmentationLoss(**options)
    with pytest.raises(ValueError, match='positive_weight has 2 values for 3 classes'):
        SegmentationLoss(positive_weight=[1.0, 2.0])(torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2))
