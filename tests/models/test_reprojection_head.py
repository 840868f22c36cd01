import pytest
import torch

from ssl_bev.geometry import BEVGrid, reproject, rotation_z, visible_cells
from ssl_bev.models import ReprojectionHead
from ssl_bev.targets import IGNORE, POSITIVE

GRID = BEVGrid(x_range=(-10, 20), y_range=(-10, 10), cell_size=0.5)
SIZE, STRIDE = (40, 80), 1
ROAD = torch.eye(4)[None]
LOSS = dict(type='SegmentationLoss')
CLASSES = ('drivable', 'marking')


@pytest.fixture
def cameras():
    """Two cameras 1.5 m above the road, one looking along x, one 60 degrees to the left."""
    forward = torch.tensor([[40.0, 0, 40, 0], [0, 40, 15, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ torch.tensor(
        [[0.0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, 0], [0, 0, 0, 1]]
    )
    return torch.stack([forward, forward @ rotation_z(torch.tensor(-torch.pi / 3))])[None]


def labels_of(truth, cameras, grid=GRID):
    """Pseudo-labels that a perfect teacher would give for a BEV map."""
    projected, _, valid = reproject(truth, grid, cameras, ROAD, SIZE, STRIDE)
    target = ((projected > 0.5) * POSITIVE).to(torch.uint8)
    return torch.where(valid[:, None], target, IGNORE).transpose(1, 2)


@pytest.fixture
def truth():
    x, y = GRID.cell_centers().unbind(-1)
    return torch.stack([(y.abs() < 4).float(), ((y - 0.2 * x).abs() < 1).float()])[None]


def certain(target):
    return torch.full(target[:, :, 0].shape, 255, dtype=torch.uint8)


def read(head, cameras, target, confidence=None, grid=GRID, classes=CLASSES, **more):
    confidence = certain(target) if confidence is None else confidence
    return head.labels_on_ground(grid, cameras, ROAD, SIZE, target, confidence, classes=classes, **more)


def test_the_true_map_costs_least(cameras, truth):
    head, target = ReprojectionHead(LOSS), labels_of(truth, cameras)

    def cost(bev):
        return head.compare((2 * bev - 1) * 6, GRID, cameras, ROAD, SIZE, target, certain(target)).item()

    best = cost(truth)
    assert best < 0.6
    assert best < 0.5 * min(cost(truth.flip(-1)), cost(truth.flip(-2)), cost(truth.roll(4, -2)), cost(1 - truth))


def test_descent_recovers_the_map_where_it_is_seen(cameras, truth):
    head, target = ReprojectionHead(LOSS, max_area=10.0), labels_of(truth, cameras)
    logits = torch.zeros_like(truth, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        head.compare(logits, GRID, cameras, ROAD, SIZE, target, certain(target)).backward()
        optimizer.step()
    seen = logits.detach().abs() > 0.3
    assert seen.float().mean() > 0.3
    assert ((logits.detach() > 0) == (truth > 0.5))[seen].float().mean() > 0.95


def test_every_visible_cell_gets_a_gradient_however_few_pixels_it_has(cameras, truth):
    """Beyond 10 m a row of these images is metres of road."""
    target = torch.zeros(1, 2, 2, *SIZE, dtype=torch.uint8)
    logits = torch.zeros_like(truth, requires_grad=True)
    ReprojectionHead(LOSS).compare(logits, GRID, cameras, ROAD, SIZE, target, certain(target)).backward()
    seen = torch.zeros(GRID.shape, dtype=torch.bool).flatten()
    seen[visible_cells(GRID, cameras, ROAD, SIZE, torch.zeros(1, 2)).cell] = True
    assert seen.sum() > 1000
    assert ((logits.grad != 0).all(1).flatten() == seen).all()


@pytest.mark.parametrize('line_width', [None, 0.3, 0.5, 0.75, 1.5])
def test_paint_is_as_wide_as_the_line_of_the_map(line_width):
    """A camera 10 m above (4, 0) looks straight down at paint 0.12 m wide along y = 0.05; its pixels are 1 cm wide."""
    grid, size = BEVGrid((3, 5), (-1, 1), 0.05), (200, 200)
    down = torch.tensor([[1000.0, 0, 100, 0], [0, 1000, 100, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ torch.tensor(
        [[1.0, 0, 0, -4], [0, -1, 0, 0], [0, 0, -1, 10], [0, 0, 0, 1]]
    )
    target = torch.zeros(1, 1, 2, *size, dtype=torch.uint8)
    target[..., 89:101, :] = POSITIVE  # v = 100 - 100 y
    head = ReprojectionHead(LOSS, line_width=line_width and dict(marking=line_width))
    geometry = (grid, down[None, None], ROAD, size)
    probability, _ = head.labels_on_ground(*geometry, target, certain(target), classes=CLASSES)
    area, line = (probability[0] > 0.5).float().sum(1).mean(1) * grid.cell_size
    assert area.item() == pytest.approx(0.12, abs=0.05)
    assert line.item() == pytest.approx(line_width or 0.12, abs=0.06)
    rows = grid.cell_centers()[..., 1][probability[0, 1] > 0.5]
    assert rows.mean().item() == pytest.approx(0.05, abs=0.03)


def test_an_area_is_averaged_over_the_cell_and_over_the_cameras(cameras):
    """Left of u = 40, that is of y = 0, the camera sees road. Of a cell's 4 lines of points 3 are left of it."""
    grid = BEVGrid((4, 8), (-1.1, 0.9), 0.5)
    target = torch.zeros(1, 1, 2, *SIZE, dtype=torch.uint8)
    target[..., :40] = POSITIVE
    probability, _ = read(ReprojectionHead(LOSS), cameras[:, :1], target, grid=grid)
    torch.testing.assert_close(probability[0, 0, :, 4], torch.tensor([0, 0, 0.75, 1]))
    both = torch.cat([target, torch.full_like(target, POSITIVE)], 1)
    twice = cameras[:, :1].repeat(1, 2, 1, 1)
    weight = torch.tensor([[1.0, 3.0]])
    probability, _ = read(ReprojectionHead(LOSS), twice, both, grid=grid, camera_weight=weight)
    assert probability[0, 0, 2, 4].item() == pytest.approx((0.75 + 3) / 4)


def test_half_known_cells_weigh_half_and_found_paint_is_known(cameras):
    grid = BEVGrid((4, 8), (-1.1, 0.9), 0.5)
    target = torch.zeros(1, 1, 2, *SIZE, dtype=torch.uint8)
    target[..., 40:] = IGNORE
    head = ReprojectionHead(LOSS, line_width=dict(marking=0.62), area_power=0, max_area=1e3)
    probability, weight = read(head, cameras[:, :1], target, grid=grid)
    assert probability[0, 0, 2, 4] == 0 and probability[0, 0, 1, 4] == IGNORE
    full = read(head, cameras[:, :1], torch.zeros_like(target), grid=grid)[1]
    assert (weight / full)[0, 0, 2, 4].item() == pytest.approx(0.75)
    assert 0.6 < (weight / full)[0, 1, 2, 4].item() < 0.95
    target[:, :, 1, :, :40] = POSITIVE
    probability, weight = read(head, cameras[:, :1], target, grid=grid)
    assert probability[0, 1, 2, 4] == 1 and (weight / full)[0, 1, 2, 4].item() == pytest.approx(1)


@pytest.mark.parametrize(('area_power', 'confidence_power'), [(1, 1), (0, 1), (1, 0), (0.5, 2)])
def test_weight_is_confidence_and_capped_area_each_to_its_power(cameras, area_power, confidence_power):
    """A pixel covers x / 40 * x^2 / 60 square metres at the depth x."""
    target = torch.zeros(1, 1, 2, *SIZE, dtype=torch.uint8)
    confidence = torch.full((1, 1, *SIZE), 51, dtype=torch.uint8)
    head = ReprojectionHead(LOSS, max_area=1.0, area_power=area_power, confidence_power=confidence_power)
    _, weight = read(head, cameras[:, :1], target, confidence)
    for x, column in ((10.25, 40), (19.75, 59)):
        area = x / 40 * x**2 / 60
        expected = min(area, 1.0) ** area_power / area * 0.2**confidence_power
        assert weight[0, 0, 20, column].item() == pytest.approx(expected, rel=1e-3)


def test_labels_may_be_finer_than_the_image(cameras, truth):
    """What counts is the share of the image, so twice the labels give the same, and an edge in between is sharper."""
    coarse = labels_of(truth, cameras)
    fine = coarse.repeat_interleave(2, -1).repeat_interleave(2, -2)
    head = ReprojectionHead(LOSS, area_power=1, max_area=1e3)
    torch.testing.assert_close(read(head, cameras, fine), read(head, cameras, coarse))


def test_ignored_labels_and_cameras_count_nowhere(cameras, truth):
    target = labels_of(truth, cameras)
    logits = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    unsure = torch.full_like(certain(target), 100)
    geometry = (GRID, cameras, ROAD, SIZE)
    dropped = [
        ReprojectionHead(LOSS, min_confidence=0.5).compare(logits, *geometry, target, unsure),
        ReprojectionHead(LOSS).compare(logits, *geometry, target, unsure, torch.zeros(1, 2)),
        ReprojectionHead(LOSS).compare(logits, *geometry, torch.full_like(target, IGNORE), unsure),
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
        labels = torch.cat([target, torch.full_like(target, IGNORE)])[: 1 + extra]
        head.compare(logits, GRID, rig, ROAD.repeat(1 + extra, 1, 1), SIZE, labels, certain(labels)).backward()
        return logits.grad

    torch.testing.assert_close(gradient(1)[:1], gradient(0))
    assert (gradient(1)[1] == 0).all()


def test_cameras_that_see_no_road_cost_nothing(cameras, truth):
    target = labels_of(truth, cameras)
    upwards = cameras.clone()
    upwards[..., 1, :] = 1e3 * upwards[..., 2, :] + upwards[..., 1, :]  # the horizon lies 1000 pixels lower
    logits = torch.randn(truth.shape).requires_grad_()
    loss = ReprojectionHead(LOSS).compare(logits, GRID, upwards, ROAD, SIZE, target, certain(target))
    loss.backward()
    assert loss.item() == 0 and (logits.grad == 0).all()


def test_errors(cameras, truth):
    target = labels_of(truth, cameras)
    geometry = (GRID, cameras, ROAD, SIZE, target, certain(target))
    with pytest.raises(ValueError, match='2 classes, the map has 1'):
        ReprojectionHead(LOSS).compare(truth[:, :1], *geometry)
    with pytest.raises(ValueError, match=r"line_width names \['marking'\], which are not among"):
        ReprojectionHead(LOSS, line_width=dict(marking=0.5)).compare(truth, *geometry, classes=('road', 'paint'))
    with pytest.raises(ValueError, match='max_area must be positive'):
        ReprojectionHead(LOSS, max_area=0)
    with pytest.raises(ValueError, match='confidence_power must not be negative, got -1'):
        ReprojectionHead(LOSS, confidence_power=-1)


def test_lines_along_the_edge_of_the_road_are_left_out(cameras):
    """Paint 0.3 m within the edge at y = 4 and in the middle: maps of dividers have the second alone."""
    grid = BEVGrid((-10, 20), (-10, 10), 0.1)
    x, y = grid.cell_centers().unbind(-1)
    paint = ((y.abs() - 3.7).abs() < 0.1) | (y.abs() < 0.1)
    truth = torch.stack([(y.abs() < 4).float(), paint.float()])[None]
    target = labels_of(truth, cameras, grid)

    def marking(**options):
        head = ReprojectionHead(LOSS, dict(marking=0.5), **options)
        probability, weight = read(head, cameras, target)
        return probability[0, 1], weight[0, 1] > 0

    kept, seen = marking()
    inside, seen_inside = marking(inside=dict(marking='drivable'), edge_margin=1.0)
    x, y = GRID.cell_centers().unbind(-1)
    near = seen & (x > 3) & (x < 6)
    middle, edge = near & (y.abs() < 0.3), near & ((y.abs() - 3.75).abs() < 0.1)
    assert (seen == seen_inside).all() and edge.any() and middle.any()
    assert (kept[middle] > 0.5).all() and (kept[edge] > 0.5).all()
    assert (inside[middle] > 0.5).all() and (inside[edge] == 0).all()
    far = near & (y.abs() < 2.5)
    torch.testing.assert_close(inside[far], kept[far])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(inside=dict(marking='road')), r"inside names \['road'\], which are not among \('drivable', 'marking'\)"),
        (dict(inside=dict(drivable='drivable')), r"inside is for lines: line_width must name \['drivable'\]"),
        (dict(inside=dict(paint='drivable')), r"inside names \['paint'\], which are not among \('marking',\)"),
        (dict(num_frames=0), 'num_frames must be at least 1, got 0'),
        (dict(edge_margin=-1.0), 'edge_margin must not be negative, got -1.0'),
    ],
)
def test_where_lines_must_lie_is_checked(cameras, truth, options, message):
    with pytest.raises(ValueError, match=message):
        read(ReprojectionHead(LOSS, dict(marking=0.5), **options), cameras, labels_of(truth, cameras))
