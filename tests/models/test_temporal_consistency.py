import pytest
import torch

from ssl_bev.geometry import BEVGrid, translation
from ssl_bev.models import SegmentationLoss, TemporalConsistencyLoss, temporal_consistency_loss

GRID = BEVGrid(x_range=(0, 8), y_range=(0, 4), cell_size=0.5)
SEEN = torch.ones(1, *GRID.shape, dtype=torch.bool)
SAME = torch.eye(4)[None]


def random_logits(seed, scale=3.0):
    return torch.randn(1, 2, *GRID.shape, generator=torch.Generator().manual_seed(seed)) * scale


def test_zero_when_both_agree_after_ego_motion():
    """The car drives one cell: the earlier map, moved back by one column, is the current one."""
    earlier = random_logits(0)
    current = earlier.roll(-1, -1)
    moved = translation(torch.tensor([[0.5, 0.0, 0.0]]))
    assert temporal_consistency_loss(current, earlier, GRID, moved, SEEN, SEEN).item() < 1e-9
    assert temporal_consistency_loss(current, earlier, GRID, SAME, SEEN, SEEN).item() > 0.01


def test_equals_a_naive_loop_with_all_gates():
    now, before = random_logits(1), random_logits(2)
    observed = torch.rand(SEEN.shape, generator=torch.Generator().manual_seed(3)) > 0.3
    loss = temporal_consistency_loss(now, before, GRID, SAME, observed, SEEN, min_confidence=0.4, max_contrast=0.9)
    p, q = now.sigmoid()[0], before.sigmoid()[0]
    teacher = torch.where((p - 0.5).abs() >= (q - 0.5).abs(), p, q)
    total, count = 0.0, 0
    height, width = GRID.shape
    for k in range(2):
        for i in range(height):
            for j in range(width):
                near = [frame[k, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2] for frame in (p, q)]
                confident = abs(2 * teacher[k, i, j] - 1) >= 0.4
                if observed[0, i, j] and confident and all(n.max() - n.min() <= 0.9 for n in near):
                    total += float((p[k, i, j] - q[k, i, j]) ** 2)
                    count += 1
    assert 0 < count < 2 * height * width
    assert loss.item() == pytest.approx(total / count, rel=1e-4)


def test_the_more_confident_frame_gets_no_gradient():
    now = torch.full((1, 1, *GRID.shape), 4.0, requires_grad=True)
    before = torch.full((1, 1, *GRID.shape), -0.5, requires_grad=True)
    temporal_consistency_loss(now, before, GRID, SAME, SEEN, SEEN).backward()
    assert (now.grad == 0).all()
    assert (before.grad < 0).all()  # descent raises the unsure one


def test_symmetric_in_time():
    a, b = random_logits(4), random_logits(5)
    forward = temporal_consistency_loss(a, b, GRID, SAME, SEEN, SEEN)
    torch.testing.assert_close(forward, temporal_consistency_loss(b, a, GRID, SAME, SEEN, SEEN))


@pytest.mark.parametrize('hidden', ['now', 'earlier', 'pair'])
def test_unobserved_cells_do_not_count(hidden):
    unseen = torch.zeros_like(SEEN)
    a = random_logits(6).requires_grad_()
    loss = temporal_consistency_loss(
        a,
        random_logits(7),
        GRID,
        SAME,
        unseen if hidden == 'now' else SEEN,
        unseen if hidden == 'earlier' else SEEN,
        pair_valid=torch.tensor([hidden != 'pair']),
    )
    loss.backward()
    assert loss.item() == 0 and (a.grad == 0).all()


def test_edges_are_spared_but_areas_are_not():
    """A one-cell line that moved by half a cell is no contradiction; an area that vanished is."""
    line = torch.full((1, 1, *GRID.shape), -4.0)
    shifted = line.clone()
    line[..., 3, :] = 4
    shifted[..., 4, :] = 4
    gated = TemporalConsistencyLoss(min_confidence=0.5, max_contrast=0.5)
    ungated = TemporalConsistencyLoss(min_confidence=0.0, max_contrast=1.0)
    arguments = (GRID, SAME, SEEN, SEEN)
    assert gated(line, shifted, *arguments).item() < 0.3 * ungated(line, shifted, *arguments).item()
    area = torch.full((1, 1, *GRID.shape), 4.0)
    assert gated(area, -0.2 * area, *arguments).item() > 0.1


def test_a_constant_answer_is_not_the_minimum_of_the_sum():
    """Alone, a constant map satisfies consistency; with labels on half of the cells the true map costs less."""
    truth = (torch.rand(1, 1, *GRID.shape, generator=torch.Generator().manual_seed(8)) > 0.5).float()
    labels = truth.to(torch.uint8)
    labels[..., ::2] = 255
    segmentation, temporal = SegmentationLoss(), TemporalConsistencyLoss(0.0, 1.0)

    def total(logits):
        return segmentation(logits, labels) + temporal(logits, logits, GRID, SAME, SEEN, SEEN)

    best = total((2 * truth - 1) * 6)
    assert all(best < total(torch.full_like(truth, constant)) - 0.5 for constant in torch.linspace(-8, 8, 17))


def drawn_line(center, width=0.5):
    """Logits of a line along x, with the soft edges of cells that it covers in part."""
    edges = torch.arange(GRID.shape[0] + 1) * GRID.cell_size
    low, high = (edges.clamp(center - width / 2, center + width / 2)[i:][: GRID.shape[0]] for i in (0, 1))
    share = (high - low) / GRID.cell_size
    return torch.logit(0.02 + 0.96 * share)[None, None, :, None].expand(1, 1, *GRID.shape).clone()


@pytest.mark.parametrize(('gates', 'grows_to'), [((0.5, 0.5), 1.0), ((0.5, 1.0), 1.6), ((0.0, 1.0), 1.6)])
def test_a_thin_line_keeps_its_width_under_sub_cell_motion_only_behind_the_edge_gate(gates, grows_to):
    """The car drives 0.2 m aside, 0.4 cells; both frames are right about a line that is one cell wide.

    The current one has it in one cell, the earlier one 0.6 : 0.4 in two. Carried over, each looks wrong to the other,
    and agreement by descent widens the line by more than half a cell.
    """
    moved = translation(torch.tensor([[0.0, 0.2, 0.0]]))
    maps = [drawn_line(1.75).requires_grad_(), drawn_line(1.95).requires_grad_()]
    loss, optimizer = TemporalConsistencyLoss(*gates), torch.optim.Adam(maps, lr=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        loss(*maps, GRID, moved, SEEN, SEEN).backward()
        optimizer.step()
    widths = [frame.detach().sigmoid()[0, 0, 2:6, 8].sum().item() for frame in maps]  # cells
    if grows_to == 1:
        assert widths == pytest.approx([1.04, 1.04], abs=0.001)  # as drawn
    else:
        assert max(widths) > grows_to


def test_bad_thresholds():
    with pytest.raises(ValueError, match=r'min_confidence must lie in 0 \.\.\. 1, got 2'):
        TemporalConsistencyLoss(min_confidence=2)


@pytest.mark.parametrize(('gates', 'kept'), [((0.0, 1.0), False), ((0.5, 0.5), True)], ids=['ungated', 'gated'])
def test_a_cell_of_misalignment_flattens_a_thin_line_unless_gated(gates, kept):
    """Both frames see the same line, one cell wide; the poses say that they lie one cell apart."""
    line = torch.zeros(1, 1, *GRID.shape)
    line[..., 4, :] = 1
    wrong = translation(torch.tensor([[0.0, 0.5, 0.0]]))
    loss = TemporalConsistencyLoss(*gates)
    now, before = (torch.zeros_like(line, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.Adam([now, before], lr=0.1)
    for _ in range(150):
        fit = sum(torch.nn.functional.binary_cross_entropy_with_logits(frame, line) for frame in (now, before))
        optimizer.zero_grad()
        (fit + 3 * loss(now, before, GRID, wrong, SEEN, SEEN)).backward()
        optimizer.step()
    for frame in (now, before):
        on_the_line = frame.detach().sigmoid()[0, 0, 4]
        assert (on_the_line > 0.95).all() if kept else (on_the_line < 0.5).all()
        assert (frame.detach().sigmoid()[0, 0, [3, 5]] < 0.05).all()
