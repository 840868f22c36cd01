import pytest
import torch
from toy_segmentor import images, make_model, make_sample

from ssl_bev.models import PerspectiveHead, SegmentationLoss
from ssl_bev.targets import POSITIVE

LOSS = dict(type='SegmentationLoss')


@pytest.fixture
def head():
    torch.manual_seed(0)
    return PerspectiveHead(in_channels=8, classes=('a', 'b'), loss=LOSS, channels=8)


@pytest.fixture
def features():
    return torch.randn(2, 3, 8, 4, 6, generator=torch.Generator().manual_seed(1))


def labels(height, width):
    generator = torch.Generator().manual_seed(2)
    return (torch.randint(0, 2, (2, 3, 2, height, width), generator=generator) * POSITIVE).to(torch.uint8)


def certain(target):
    return torch.full(target[:, :, 0].shape, 255, dtype=torch.uint8)


def test_labels_at_the_features_resolution_need_no_resampling(head, features):
    target = labels(4, 6)
    loss = head.compare(features, (32, 48), (32, 48), target, certain(target))
    expected = SegmentationLoss()(head(features).flatten(0, 1), target.flatten(0, 1) // POSITIVE)
    torch.testing.assert_close(loss, expected)


def test_padding_is_cut_off(head, features):
    """Labels of the left half of the padded image are those of the features' left half."""
    target = labels(4, 3)
    loss = head.compare(features, (32, 24), (32, 48), target, certain(target))
    expected = SegmentationLoss()(head(features)[..., :3].flatten(0, 1), target.flatten(0, 1) // POSITIVE)
    torch.testing.assert_close(loss, expected)


def test_confidence_and_sample_weight_count(head, features):
    target = labels(8, 12)
    size = (32, 48)
    first = features[:1]
    alone = head.compare(first, size, size, target[:1], certain(target[:1]))
    weighted = head.compare(features, size, size, target, certain(target), torch.tensor([[1.0] * 3, [0.0] * 3]))
    torch.testing.assert_close(weighted, alone)
    unsure = certain(target)
    unsure[1] = 0
    torch.testing.assert_close(head.compare(features, size, size, target, unsure), alone)


def test_a_logit_is_compared_with_the_average_of_the_labels_that_it_covers(head, features):
    """Of a block of 2x2 one is ignored and one is paint, and its weight is three quarters of the mean confidence."""
    target = torch.zeros(2, 3, 2, 8, 12, dtype=torch.uint8)
    target[..., ::2, ::2], target[..., 1::2, 1::2] = POSITIVE, 255
    confidence = certain(target)
    confidence[0] = 51
    loss = head.compare(features, (32, 48), (32, 48), target, confidence)
    weight = torch.tensor([0.2, 1.0]).repeat_interleave(3).view(6, 1, 1, 1).expand(6, 1, 4, 6) * 0.75
    logits = head(features).flatten(0, 1)
    torch.testing.assert_close(loss, SegmentationLoss()(logits, torch.full_like(logits, 1 / 3), weight))


def test_all_ignored_gives_zero_with_a_graph(head, features):
    target = torch.full((2, 3, 2, 4, 6), 255, dtype=torch.uint8)
    loss = head.compare(features, (32, 48), (32, 48), target, certain(target))
    loss.backward()
    assert loss.item() == 0 and (head.class_layer.weight.grad == 0).all()


def test_a_level_that_the_model_lacks_is_named():
    for model, level, message in (
        (make_model(objectives=dict(perspective=dict(level=3))), 3, 'the model has 1 levels$'),
        (make_model(img_backbone=None), 0, 'the model has 0 levels; it needs an img_backbone'),
    ):
        model.set_loss_weights(dict(perspective=1.0))
        with pytest.raises(ValueError, match=f'PerspectiveHead reads level {level} of the image features, {message}'):
            model(images(1), [make_sample(0)], mode='loss')
    with pytest.raises(ValueError, match='num_frames must be at least 1, got 0'):
        PerspectiveHead(in_channels=8, classes=('a', 'b'), loss=LOSS, num_frames=0)
