import pytest
import torch

from ssl_bev.models import PerspectiveHead, SegmentationLoss

LOSS = dict(type='SegmentationLoss')


@pytest.fixture
def head():
    torch.manual_seed(0)
    return PerspectiveHead(in_channels=8, num_classes=2, loss=LOSS, channels=8)


@pytest.fixture
def features():
    return [torch.randn(2, 3, 8, 4, 6, generator=torch.Generator().manual_seed(1))]


def labels(height, width):
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 2, (2, 3, 2, height, width), generator=generator).to(torch.uint8)


def certain(target):
    return torch.full(target[:, :, 0].shape, 255, dtype=torch.uint8)


def test_labels_at_the_features_resolution_need_no_resampling(head, features):
    target = labels(4, 6)
    loss = head.loss(features, (32, 48), (32, 48), target, certain(target))
    expected = SegmentationLoss()(head(features).flatten(0, 1), target.flatten(0, 1))
    torch.testing.assert_close(loss, expected)


def test_padding_is_cut_off(head, features):
    """Labels of the left half of the padded image are those of the features' left half."""
    target = labels(4, 3)
    loss = head.loss(features, (32, 24), (32, 48), target, certain(target))
    expected = SegmentationLoss()(head(features)[..., :3].flatten(0, 1), target.flatten(0, 1))
    torch.testing.assert_close(loss, expected)


def test_confidence_and_sample_weight_count(head, features):
    target = labels(8, 12)
    size = (32, 48)
    first = [features[0][:1]]
    alone = head.loss(first, size, size, target[:1], certain(target[:1]))
    weighted = head.loss(features, size, size, target, certain(target), torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(weighted, alone)
    unsure = certain(target)
    unsure[1] = 0
    torch.testing.assert_close(head.loss(features, size, size, target, unsure), alone)


def test_half_precision_reads_the_same_places(head, monkeypatch):
    ramp = (torch.arange(512) // 4).expand(1, 1, 2, 4, 512) / 16  # exact in bfloat16
    target, size = torch.ones(1, 1, 2, 4, 352, dtype=torch.uint8), (4, 512)
    target[..., 176:] = 0
    loss = {}
    for dtype in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(head, 'forward', lambda features, dtype=dtype: ramp.to(dtype))
        loss[dtype] = head.loss([], (4, 352), size, target, certain(target))
    torch.testing.assert_close(loss[torch.bfloat16], loss[torch.float32])


def test_all_ignored_gives_zero_with_a_graph(head, features):
    target = torch.full((2, 3, 2, 4, 6), 255, dtype=torch.uint8)
    loss = head.loss(features, (32, 48), (32, 48), target, certain(target))
    loss.backward()
    assert loss.item() == 0 and (head.classes.weight.grad == 0).all()
