import pytest
import torch

from ssl_bev.geometry import BEVGrid, invert_rigid, rotation_z, sample_bev, translation, warp_bev

GRID = BEVGrid(x_range=(-4, 4), y_range=(-2, 2), cell_size=0.5)


@pytest.fixture
def bev():
    return torch.rand(2, 3, *GRID.shape, generator=torch.Generator().manual_seed(1))


def shift(x, y):
    return translation(torch.tensor([[x, y, 0.0]])).repeat(2, 1, 1)


def test_identity_returns_the_input(bev):
    warped, valid = warp_bev(bev, GRID, torch.eye(4).repeat(2, 1, 1))
    torch.testing.assert_close(warped, bev, atol=1e-5, rtol=0)
    assert valid.all()


@pytest.mark.parametrize(('x', 'y', 'rolls'), [(1.0, 0.0, (0, -2)), (0.0, -0.5, (1, 0)), (-1.5, 1.0, (-2, 3))])
def test_whole_cells_equal_a_roll(bev, x, y, rolls):
    """The car drove x forward: what was there lies x nearer, so columns move back."""
    before = bev.clone()
    warped, valid = warp_bev(bev, GRID, shift(x, y))
    rolled = bev.roll(rolls, (-2, -1))
    inside = valid[:, None].expand_as(bev)
    torch.testing.assert_close(warped[inside], rolled[inside], atol=1e-5, rtol=0)
    assert valid[0].sum() == (8 - abs(rolls[0])) * (16 - abs(rolls[1]))
    assert (warped[~inside] == 0).all()
    torch.testing.assert_close(bev, before)


def test_half_precision_moves_no_cell():
    """bfloat16 has eight bits: 30 m would be off by half a cell."""
    grid = BEVGrid((-32, 32), (-16, 16), 0.25)
    bev = torch.rand(1, 2, *grid.shape, generator=torch.Generator().manual_seed(1)).bfloat16()
    pose = translation(torch.tensor([[1.3, -0.4, 0.0]])) @ rotation_z(torch.tensor(0.1))
    expected, inside = warp_bev(bev.float(), grid, pose)
    with torch.autocast('cpu', torch.bfloat16):
        for given in (bev.float(), bev):
            warped, valid = warp_bev(given, grid, pose)
            assert warped.dtype == given.dtype and torch.equal(valid, inside)
            torch.testing.assert_close(warped, expected.to(given.dtype))


def test_quarter_turn_by_hand():
    """After a left turn by 90 degrees, what was on the left is ahead."""
    grid = BEVGrid((-2, 2), (-2, 2), 1.0)
    bev = torch.zeros(1, 1, 4, 4)
    bev[0, 0, 3, 2] = 1  # x = 0.5, y = 1.5: left
    warped, _ = warp_bev(bev, grid, rotation_z(torch.tensor([torch.pi / 2])), mode='nearest')
    assert warped[0, 0].nonzero().tolist() == [[1, 3]]  # x = 1.5, y = -0.5: ahead


def test_round_trip_inside(bev):
    smooth = torch.nn.functional.avg_pool2d(bev, 5, 1, 2, count_include_pad=False)
    pose = shift(0.3, -0.2) @ rotation_z(torch.tensor(0.1))
    there, valid = warp_bev(smooth, GRID, pose)
    back, valid_back = warp_bev(there, GRID, invert_rigid(pose))
    inner = (valid & valid_back)[:, 2:-2, 3:-3]
    difference = (back - smooth)[:, :, 2:-2, 3:-3].abs().amax(1)
    assert difference[inner].max() < 0.08


def test_far_away_is_invalid_zero_and_has_finite_gradients(bev):
    bev.requires_grad_()
    warped, valid = warp_bev(bev, GRID, shift(100.0, 0.0))
    warped.sum().backward()
    assert not valid.any() and (warped == 0).all() and bev.grad.isfinite().all()


def test_batch_independence(bev):
    poses = torch.stack([translation(torch.tensor([0.7, 0.1, 0.0])), rotation_z(torch.tensor(0.4))])
    together, valid = warp_bev(bev, GRID, poses)
    for i in range(2):
        alone, valid_alone = warp_bev(bev[i : i + 1], GRID, poses[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone)
        assert (valid[i : i + 1] == valid_alone).all()


def test_gradcheck():
    grid = BEVGrid((-1, 1), (-1, 1), 0.5)
    bev = torch.rand(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    xy = torch.tensor([[[[0.13, 0.2], [-0.6, 0.44]]]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda b: sample_bev(b, grid, xy), bev)


def test_another_shape_is_an_error():
    with pytest.raises(ValueError, match=r'bev is \(4, 4\) \(rows, columns\), its grid is \(8, 16\)'):
        warp_bev(torch.zeros(1, 1, 4, 4), GRID, torch.eye(4)[None])
