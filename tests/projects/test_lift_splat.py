"""LiftSplat puts what pixels show where they are, at the depths that it believes in."""

import pytest
import torch
from bevformer_rig import IMAGE_SIZE
from encoder_rig import choose, forward_rig, sloping_road, two_sample_rig
from torch import nn

from projects.LiftSplat.lift_splat import LiftSplat
from projects.LiftSplat.lift_splat.frustum import bin_depths, feature_pixels, frustum_cells
from projects.LiftSplat.lift_splat.splat import splat
from ssl_bev.geometry import BEVGrid, translation
from ssl_bev.models.bev_encoder import FrameInputs

BINS, CHANNELS = 5, 3
RANGES = dict(x_range=(0, 20), y_range=(-4, 4), bev_shape=(8, 20))
DEPTHS = (8, 18, 2)  # bins around 9, 11, 13, 15 and 17 m


def transparent_model(**options):
    """Features are the depth logits and the context themselves, and the BEV is what the splat gives."""
    model = LiftSplat(**RANGES, in_channels=BINS + CHANNELS, embed_dims=8, depth_range=DEPTHS, **options)
    model.depth_and_context = nn.Identity()
    model.embed_dims = CHANNELS
    model.bev_layers = nn.Identity()
    return model


def lit_features(row, column, depth_bin, shape=(8, 12)):
    """One pixel shows 1, 2, 3 at one depth; the others show nothing, anywhere."""
    features = torch.zeros(1, 1, BINS + CHANNELS, *shape)
    features[0, 0, depth_bin, row, column] = 1e4
    features[0, 0, BINS:, row, column] = torch.tensor([1.0, 2, 3])
    return features


@torch.no_grad()
def lift(model, features, rig, image_size=IMAGE_SIZE):
    return model(FrameInputs([features], image_size), rig)[0]


def test_a_pixel_lands_in_its_cell_by_hand():
    """Value (4, 5) of stride 8 is the pixel (44, 36): 4 px left of the centre (48, 32) and 4 px below, f = 50 px.

    At a depth of 11 m it is 11 * 4 / 50 = 0.88 m to the left and below the camera: (11, 0.88, 0.62), which is in
    column 11 and, from y = -4, row 4.
    """
    bev = lift(transparent_model(), lit_features(4, 5, 1), forward_rig())
    expected = torch.zeros(1, CHANNELS, 8, 20)
    expected[0, :, 4, 11] = torch.tensor([1.0, 2, 3])
    assert torch.equal(bev, expected)


def test_an_undecided_pixel_is_spread_over_its_ray():
    features = lit_features(4, 11, 0)  # pixel (92, 36): y = -0.88 x, in the grid up to x = 4 / 0.88 = 4.5 m
    features[:, :, :BINS] = 0
    assert not lift(transparent_model(), features, forward_rig()).any()
    features = features.roll(-5, 4)  # pixel (52, 36): y = -0.08 x, down to -1.36 at 17 m
    bev = lift(transparent_model(), features, forward_rig())
    assert bev[0, 0].nonzero().tolist() == [[2, 13], [2, 15], [2, 17], [3, 9], [3, 11]]
    torch.testing.assert_close(bev[0, 1][bev[0, 1] > 0], torch.full((5,), 2 / 5))


def test_pixels_of_a_cell_add_up():
    features = lit_features(4, 5, 1) + lit_features(3, 5, 1)  # one above the other
    bev = lift(transparent_model(), features, forward_rig())
    assert bev[0, :, 4, 11].tolist() == [2, 4, 6] and (bev != 0).sum() == 3


@pytest.mark.parametrize(
    ('road_z', 'z_range', 'counts'),
    [
        (0, (0.6, 0.7), True),
        (0, (-1, 0.6), False),
        (0, (0.7, 2), False),
        (-1.84, (2.4, 2.5), True),  # a lidar frame: the point is 0.62 + 1.84 m above the road
        (-1.84, (0.6, 0.7), False),
    ],
)
def test_heights_are_measured_from_the_road(road_z, z_range, counts):
    rig = forward_rig(translation(torch.tensor([[0, 0, float(road_z)]])))
    assert lift(transparent_model(z_range=z_range), lit_features(4, 5, 1), rig).any() == counts


def test_the_tilt_of_the_road_counts():
    # Perpendicular to a road that rises by tan 0.05 along x and passes 0.9 m ahead 1.84 m below, at (11, ..., 0.62).
    angle = torch.tensor(0.05)
    height = float((0.62 + 1.84) * angle.cos() - (11 - 0.9) * angle.sin())
    rig = forward_rig(sloping_road()[None])
    for offset, counts in ((0, True), (0.02, False), (-0.02, False)):
        z_range = (height + offset - 0.01, height + offset + 0.01)
        assert lift(transparent_model(z_range=z_range), lit_features(4, 5, 1), rig).any() == counts


def test_frustum_is_that_of_a_slow_loop():
    rig = two_sample_rig(num_cameras=2)
    grid = BEVGrid((-5.02, 4.98), (-4.02, 3.98), 1)  # no ray along the border of cells
    pixels = feature_pixels((3, 5), IMAGE_SIZE)
    depths, z_range = bin_depths((1.0, 7.0, 1.5)), (-0.5, 2.5)
    cells = frustum_cells(grid, z_range, rig, pixels, depths)
    assert cells.shape == (4, 2, 2, 15)
    for bin_, sample, camera, pixel in torch.cartesian_prod(*map(torch.arange, cells.shape)).tolist():
        u, v, d = *pixels[pixel].tolist(), float(depths[bin_])
        img2bev = rig.bev2img[sample, camera].double().inverse()
        point = img2bev @ torch.tensor([u * d, v * d, d, 1], dtype=torch.float64)
        height = (rig.road2bev[sample].double().inverse() @ point)[2]
        x, y = point[:2].tolist()
        inside = -5.02 <= x < 4.98 and -4.02 <= y < 3.98 and z_range[0] <= height <= z_range[1]
        expected = int(y + 4.02) * 10 + int(x + 5.02) if inside and rig.camera_valid[sample, camera] else 80
        assert cells[bin_, sample, camera, pixel] == expected
    assert (cells < 80).any(-1).any(0).tolist() == [[True, True], [False, True]]


def test_pixels_of_maps_that_do_not_divide_the_image():
    pixels = feature_pixels((2, 3), (50, 100))
    torch.testing.assert_close(pixels[0], torch.tensor([100 / 6, 12.5]))
    torch.testing.assert_close(pixels[-1], torch.tensor([500 / 6, 37.5]))


def test_padding_shifts_nothing_and_shows_nothing():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1, 1, BINS + CHANNELS, 8, 12, generator=generator)
    padded = 100 * torch.randn(1, 1, BINS + CHANNELS, 10, 16, generator=generator)
    padded[..., :8, :12] = features
    plain = lift(transparent_model(), features, forward_rig())
    assert plain.any()
    torch.testing.assert_close(lift(transparent_model(), padded, forward_rig(), (80, 128)), plain)


def test_splat_is_that_of_a_slow_loop_and_its_gradients_are_right():
    generator = torch.Generator().manual_seed(0)
    context = torch.randn(2, 6, 2, dtype=torch.float64, generator=generator).requires_grad_()
    depth = torch.rand(3, 2, 6, dtype=torch.float64, generator=generator).requires_grad_()
    cells = torch.randint(0, 5, (3, 2, 6), generator=generator)  # 4 is outside
    total = splat(context, depth, cells, 4)
    expected = torch.zeros(2, 5, 2, dtype=torch.float64)
    for bin_, sample, pixel in torch.cartesian_prod(torch.arange(3), torch.arange(2), torch.arange(6)).tolist():
        cell = cells[bin_, sample, pixel]
        expected[sample, cell] += (depth[bin_, sample, pixel] * context[sample, pixel]).detach()
    torch.testing.assert_close(total, expected[:, :4])
    assert torch.autograd.gradcheck(lambda *inputs: splat(*inputs, cells, 4), (context, depth))


def test_gradcheck_of_the_whole_encoder():
    model = LiftSplat((0, 20), (-4, 4), (2, 5), in_channels=2, embed_dims=8, depth_range=(2, 14, 4)).double()
    rig = choose(two_sample_rig(num_cameras=2), [0])
    features = torch.randn(1, 2, 2, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    features.requires_grad_()
    assert torch.autograd.gradcheck(lambda maps: model(FrameInputs([maps], IMAGE_SIZE), rig)[0], features)


@pytest.mark.parametrize(
    ('depth_range', 'message'),
    [
        ((0, 4, 1), r'depth_range must be \(near, far, step\) with 0 < near < far and step > 0, got \(0, 4, 1\)'),
        ((4, 4, 1), 'near < far'),
        ((1, 4, -1), 'step > 0'),
        ((1, 4, 2), r'depth_range \(1, 4, 2\) \(near, far, step\) is 1.5000 steps long'),
    ],
)
def test_wrong_depths(depth_range, message):
    with pytest.raises(ValueError, match=message):
        LiftSplat(**RANGES, in_channels=4, depth_range=depth_range)
