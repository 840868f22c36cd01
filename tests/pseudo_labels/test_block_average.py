import numpy as np
import pytest

from ssl_bev.pseudo_labels.block_average import block_means, block_shares, oversampling, warp_labels

VALUES = np.full(256, 255, np.uint8)
VALUES[:2] = 0, 1  # 0: ground, 1: paint, everything else is not known


def shares(rows, k):
    return block_shares(np.array(rows, np.uint8), VALUES, k).tolist()


def test_shares_by_hand():
    """One of four is paint; one of two known; fewer than half known; all paint."""
    assert shares([[1, 0], [0, 0]], 2) == [[round(254 / 4)]]
    assert shares([[1, 9], [0, 9]], 2) == [[127]]
    assert shares([[1, 9], [9, 9]], 2) == [[255]]
    assert shares([[1, 1], [1, 9]], 2) == [[254]]
    assert shares([[1, 0, 9]], 1) == [[254, 0, 255]]


@pytest.mark.parametrize('k', range(1, 9))
def test_shares_are_exact_for_every_block(k):
    ids = np.random.default_rng(k).integers(0, 3, (11 * k, 13 * k), np.uint8)
    blocks = ids.reshape(11, k, 13, k).swapaxes(1, 2).reshape(11, 13, -1)
    known, paint = (blocks < 2).sum(-1), (blocks == 1).sum(-1)
    expected = np.where(2 * known < k * k, 255, np.rint(254 * paint / np.maximum(known, 1)))
    np.testing.assert_array_equal(block_shares(ids, VALUES, k), expected)
    np.testing.assert_allclose(block_means(ids * 100, k), blocks.mean(-1) * 100, atol=0.51)


def test_oversampling():
    half = np.diag([0.5, 0.5, 1])
    assert [oversampling(half, stride) for stride in (0.25, 0.5, 1, 2, 4, 8)] == [1, 1, 2, 4, 8, 8]
    assert oversampling(np.diag([-0.53, 0.53, 1]), 2) == 4
    with pytest.raises(ValueError, match='invertible affine'):
        oversampling(np.diag([1.0, 0, 1]), 2)


def test_warp_by_hand():
    """Doubling repeats pixels, a crop shifts them, a flip turns them round, and beyond the picture nothing is known."""
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    doubled = warp_labels(labels, np.diag([2.0, 2, 1]), 1, (4, 6), 255)
    np.testing.assert_array_equal(doubled, labels.repeat(2, 0).repeat(2, 1))
    crop = np.array([[1.0, 0, -1], [0, 1, 1], [0, 0, 1]])
    expected = [[255, 255, 255], [1, 2, 255], [4, 5, 255]]
    np.testing.assert_array_equal(warp_labels(labels, crop, 1, (3, 3), 255), expected)
    flip = np.array([[-1.0, 0, 3], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(warp_labels(labels, flip, 1, (2, 3), 255), labels[:, ::-1])
    quarter = np.array([[0.0, -1, 2], [1, 0, 0], [0, 0, 1]])  # (u, v) -> (2 - v, u)
    np.testing.assert_array_equal(warp_labels(labels, quarter, 1, (3, 2), 255), np.rot90(labels, -1))


@pytest.mark.parametrize('angle', [0.0, 0.3])
def test_positions_are_kept_to_a_hundredth_of_a_pixel(angle):
    """A column index that is 0.01 px on either side of an edge decides for the right pixel."""
    labels = np.tile(np.arange(200, dtype=np.uint8), (50, 1))
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    aug = turn @ np.diag([0.53, 0.53, 1])
    aug[:2, 2] = 7.3, -3.1
    warped = warp_labels(labels, aug, 0.5, (120, 240), 255)
    v, u = np.mgrid[:120, :240] * 0.5 + 0.25
    file_u, file_v, _ = np.einsum('ij,jhw->ihw', np.linalg.inv(aug), np.stack([u, v, np.ones_like(u)]))
    inside = (file_u > 0.01) & (file_u < 199.99) & (file_v > 0.01) & (file_v < 49.99)
    assert inside.sum() > 3000
    clear = inside & (np.abs(file_u - np.rint(file_u)) > 0.01)
    np.testing.assert_array_equal(warped[clear], np.floor(file_u[clear]))
    outside = (file_u < -0.01) | (file_u > 200.01) | (file_v < -0.01) | (file_v > 50.01)
    assert (warped[outside] == 255).all()
