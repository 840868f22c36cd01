import pytest
import torch

from ssl_bev.geometry import BEVGrid, reproject, rotation_z
from ssl_bev.models import ReprojectionHead

GRID = BEVGrid(x_range=(-10, 20), y_range=(-10, 10), cell_size=0.5)
SIZE, STRIDE = (40, 80), 4
ROAD = torch.eye(4)[None]
LOSS = dict(type='SegmentationLoss')


@pytest.fixture
def cameras():
    """Two cameras 1.5 m above the road, one looking along x, one 60 degrees to the left."""
    forward = torch.tensor([[40.0, 0, 40, 0], [0, 40, 15, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ torch.tensor(
        [[0.0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, 0], [0, 0, 0, 1]]
    )
    return torch.stack([forward, forward @ rotation_z(torch.tensor(-torch.pi / 3))])[None]


def labels_of(truth, cameras):
    """Pseudo-labels that a perfect teacher would give for a BEV map."""
    projected, _, valid = reproject(truth, GRID, cameras, ROAD, SIZE, STRIDE)
    target = (projected > 0.5).to(torch.uint8)
    return torch.where(valid[:, None], target, 255).transpose(1, 2)


@pytest.fixture
def truth():
    x, y = GRID.cell_centers().unbind(-1)
    return torch.stack([(y.abs() < 4).float(), ((y - 0.2 * x).abs() < 1).float()])[None]


def certain(target):
    return torch.full(target[:, :, 0].shape, 255, dtype=torch.uint8)


def test_the_true_map_costs_least(cameras, truth):
    head, target = ReprojectionHead(LOSS), labels_of(truth, cameras)

    def cost(bev):
        return head.loss((2 * bev - 1) * 6, GRID, cameras, ROAD[0][None], SIZE, target, certain(target)).item()

    best = cost(truth)
    assert best < 0.6
    assert best < 0.5 * min(cost(truth.flip(-1)), cost(truth.flip(-2)), cost(truth.roll(4, -2)), cost(1 - truth))


def test_descent_recovers_the_map_where_it_is_seen(cameras, truth):
    head, target = ReprojectionHead(LOSS, area_power=0.5), labels_of(truth, cameras)
    logits = torch.zeros_like(truth, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        head.loss(logits, GRID, cameras, ROAD, SIZE, target, certain(target)).backward()
        optimizer.step()
    seen = logits.detach().abs() > 0.3
    assert seen.float().mean() > 0.1
    assert ((logits.detach() > 0) == (truth > 0.5))[seen].float().mean() > 0.93


@pytest.mark.parametrize(('area_power', 'confidence_power'), [(1, 1), (0, 1), (1, 0), (0.5, 2)])
def test_weight_is_confidence_times_ground_area_each_to_its_power(cameras, truth, area_power, confidence_power):
    """Two labelled pixels, one near and one far: the loss is their mean weighted by area and confidence."""
    target = torch.full((1, 2, 2, 10, 20), 255, dtype=torch.uint8)
    target[0, 0, 0, 8, 10], target[0, 0, 0, 5, 10] = 1, 0
    confidence = torch.zeros(1, 2, 10, 20, dtype=torch.uint8)
    confidence[0, 0, 8, 10], confidence[0, 0, 5, 10] = 255, 51
    head = ReprojectionHead(LOSS, 100.0, area_power, confidence_power)
    logits = torch.full((1, 2, *GRID.shape), 1.0)
    _, area, _ = reproject(logits, GRID, cameras, ROAD, SIZE, STRIDE)
    near = float(area[0, 0, 8, 10]) ** area_power
    far = float(area[0, 0, 5, 10]) ** area_power * 0.2**confidence_power
    positive, negative = torch.nn.functional.softplus(torch.tensor([-1.0, 1.0])).tolist()
    expected = (near * positive + far * negative) / (near + far)
    loss = head.loss(logits, GRID, cameras, ROAD, SIZE, target, confidence)
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_min_confidence_and_sample_weight_drop_pixels(cameras, truth):
    target = labels_of(truth, cameras)
    logits = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    unsure = torch.full_like(certain(target), 100)
    dropped = [
        ReprojectionHead(LOSS, min_confidence=0.5).loss(logits, GRID, cameras, ROAD, SIZE, target, unsure),
        ReprojectionHead(LOSS).loss(logits, GRID, cameras, ROAD, SIZE, target, unsure, torch.zeros(1)),
    ]
    for loss in dropped:
        loss.backward()
        assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_batch_independence_of_gradients(cameras, truth):
    """A sample whose labels are all ignored changes nothing for the other, whose camera differs."""
    other = cameras @ rotation_z(torch.tensor(0.5))
    target = labels_of(truth, cameras)
    head = ReprojectionHead(LOSS)

    def gradient(extra):
        logits = torch.zeros(1 + extra, *truth.shape[1:], requires_grad=True)
        rig = torch.cat([cameras, other])[: 1 + extra]
        labels = torch.cat([target, torch.full_like(target, 255)])[: 1 + extra]
        head.loss(logits, GRID, rig, ROAD.repeat(1 + extra, 1, 1), SIZE, labels, certain(labels)).backward()
        return logits.grad

    torch.testing.assert_close(gradient(1)[:1], gradient(0))
    assert (gradient(1)[1] == 0).all()


def test_cameras_that_see_no_road_cost_nothing(cameras, truth):
    target = labels_of(truth, cameras)
    upwards = cameras.clone()
    upwards[..., 1, :] = 1e3 * upwards[..., 2, :] + upwards[..., 1, :]  # the horizon lies 1000 pixels lower
    logits = torch.randn(truth.shape).requires_grad_()
    loss = ReprojectionHead(LOSS).loss(logits, GRID, upwards, ROAD, SIZE, target, certain(target))
    loss.backward()
    assert loss.item() == 0 and (logits.grad == 0).all()


def test_errors(cameras, truth):
    head = ReprojectionHead(LOSS)
    target = labels_of(truth, cameras)
    with pytest.raises(
        ValueError, match=r'pseudo-labels of \(10, 20\) are no whole-number stride of the images \(40, 90\)'
    ):
        head.loss(truth, GRID, cameras, ROAD, (40, 90), target, certain(target))
    with pytest.raises(ValueError, match='2 classes, the map has 1'):
        head.loss(truth[:, :1], GRID, cameras, ROAD, SIZE, target, certain(target))
    with pytest.raises(ValueError, match='max_area must be positive'):
        ReprojectionHead(LOSS, max_area=0)
    with pytest.raises(ValueError, match='confidence_power must not be negative, got -1'):
        ReprojectionHead(LOSS, confidence_power=-1)
