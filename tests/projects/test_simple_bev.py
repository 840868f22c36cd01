"""SimpleBEV reads features where voxels are seen, and averages what several cameras show."""

import pytest
import torch
from bevformer_rig import IMAGE_SIZE, ring_of_cameras
from encoder_rig import choose, forward_rig, make_rig, sloping_road, two_sample_rig

from projects.SimpleBEV.simple_bev import SimpleBEV
from projects.SimpleBEV.simple_bev.camera_sampling import camera_positions, sample_cameras
from ssl_bev.geometry import BEVGrid, translation
from ssl_bev.models.bev_encoder import FrameInputs

RANGES = dict(x_range=(0, 20), y_range=(-4, 4), bev_shape=(8, 20))
FLAT = dict(z_range=(-0.5, 0.5), num_heights=1)


def pixel_ramp(shape=(8, 12), stride=8):  # (1, 1, 2, h, w)
    """Features that say in which pixel they are centred."""
    v, u = torch.meshgrid(*((torch.arange(n) + 0.5) * stride for n in shape), indexing='ij')
    return torch.stack([u, v])[None, None]


def encoder(**options):
    return SimpleBEV(**{**RANGES, 'in_channels': 2, 'embed_dims': 8, **options})


def test_features_are_read_at_the_projected_position_by_hand():
    """The camera is 1.5 m above the road and looks along x; f = 50 px, centre (48, 32).

    The cell in row 4, column 10 is centred at (10.5, 0.5): u = 48 - 50 * 0.5 / 10.5, and a point h above the road is
    at v = 32 + 50 * (1.5 - h) / 10.5.
    """
    voxels = encoder(z_range=(-1, 3), num_heights=4).voxels(pixel_ramp(), IMAGE_SIZE, forward_rig())
    assert voxels.shape == (1, 2, 4, 8, 20)
    for index, height in enumerate((-0.5, 0.5, 1.5, 2.5)):
        expected = torch.tensor([48 - 25 / 10.5, 32 + 50 * (1.5 - height) / 10.5])
        torch.testing.assert_close(voxels[0, :, index, 4, 10], expected, atol=1e-4, rtol=0)


def test_voxels_stand_on_the_road():
    # The road is 1.84 m lower, as under a lidar: the camera is 3.34 m above it.
    rig = forward_rig(translation(torch.tensor([[0, 0, -1.84]])))
    seen = encoder(**FLAT).voxels(pixel_ramp(), IMAGE_SIZE, rig)[0, :, 0, 4, 10]
    torch.testing.assert_close(seen, torch.tensor([48 - 25 / 10.5, 32 + 50 * 3.34 / 10.5]), atol=1e-4, rtol=0)


def test_the_tilt_of_the_road_counts():
    rig = forward_rig(sloping_road()[None])
    seen = encoder(**FLAT).voxels(pixel_ramp(), IMAGE_SIZE, rig)[0, 1, 0, 4, 10]
    z = -1.84 + (10.5 - 0.9) * torch.tensor(0.05).tan()
    torch.testing.assert_close(seen, 32 + 50 * (1.5 - z) / 10.5, atol=1e-4, rtol=0)


def test_cameras_are_averaged_where_they_see():
    rig = make_rig(ring_of_cameras(1).repeat(2, 1, 1)[None])
    features = torch.ones(1, 2, 1, 8, 12) * torch.tensor([1.0, 3]).view(2, 1, 1, 1)
    model = encoder(in_channels=1, **FLAT)
    seen = rig.observed(model.grid)[0]
    assert seen.any() and not seen.all()
    torch.testing.assert_close(model.voxels(features, IMAGE_SIZE, rig)[0, 0, 0], 2.0 * seen)
    rig.camera_valid[0, 1] = False
    torch.testing.assert_close(model.voxels(features, IMAGE_SIZE, rig)[0, 0, 0], 1.0 * seen)


def test_on_the_road_it_sees_what_the_rig_observes_up_to_the_edges_of_the_images():
    rig = two_sample_rig()
    grid = BEVGrid((-20, 20), (-8, 8), 0.5)
    model = SimpleBEV(grid.x_range, grid.y_range, grid.shape, in_channels=1, embed_dims=8, **FLAT)
    voxels = model.voxels(torch.ones(2, 3, 1, 8, 12), IMAGE_SIZE, rig)[:, 0, 0]
    torch.testing.assert_close(voxels, rig.observed(grid).float(), atol=1e-5, rtol=0)


def test_padding_shifts_nothing_and_shows_nothing():
    padded = pixel_ramp((10, 16))
    padded[..., 8:, :] = padded[..., 12:] = 1e6
    model = encoder()
    plain = model.voxels(pixel_ramp(), IMAGE_SIZE, forward_rig())
    torch.testing.assert_close(model.voxels(padded, (80, 128), forward_rig()), plain, atol=1e-1, rtol=0)
    inner = (plain[:, 0] < 90) & (plain[:, 1] < 58)  # the other values touch the padding by rounding
    inner = inner[:, None].expand_as(plain)
    torch.testing.assert_close(model.voxels(padded, (80, 128), forward_rig())[inner], plain[inner], atol=1e-4, rtol=0)


def test_gradients_of_the_sampling():
    rig = two_sample_rig(num_cameras=2)
    features = torch.randn(2, 2, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    points = torch.tensor([[5.0, 0.3, 0.2], [-6, 1, 0.1], [0, 0, 1.5], [4, 3, 0]]).expand(2, -1, -1)
    positions, visible = camera_positions(points, rig, IMAGE_SIZE, (3, 4))
    assert visible.any() and not visible.all()
    assert torch.autograd.gradcheck(lambda maps: sample_cameras(maps, positions, visible), features.requires_grad_())


def test_gradcheck_of_the_whole_encoder():
    model = encoder(bev_shape=(2, 5), num_heights=2).double()
    rig = choose(two_sample_rig(num_cameras=2), [0])
    features = torch.randn(1, 2, 2, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    features.requires_grad_()
    assert torch.autograd.gradcheck(lambda maps: model(FrameInputs([maps], IMAGE_SIZE), rig)[0], features)


def test_it_wants_a_voxel():
    with pytest.raises(ValueError, match='num_heights must be at least 1, got 0'):
        encoder(num_heights=0)
