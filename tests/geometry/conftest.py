import pytest
import torch

from ssl_bev.geometry import rotation_z


@pytest.fixture
def forward_camera() -> torch.Tensor:
    """bev2img of a camera 1.5 m above the road, looking along x; f = 100 px, centre (100, 50)."""
    intrinsics = torch.tensor([[100.0, 0, 100, 0], [0, 100, 50, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    bev2cam = torch.tensor([[0.0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, 0], [0, 0, 0, 1]])
    return intrinsics @ bev2cam


@pytest.fixture
def left_camera(forward_camera) -> torch.Tensor:
    """The same camera turned 60 degrees to the left."""
    return forward_camera @ rotation_z(torch.tensor(-torch.pi / 3))


@pytest.fixture
def tilted_road2bev() -> torch.Tensor:
    """A road 1.84 m below the BEV frame and tilted by 3 and 2 degrees, as below a lidar."""
    pitch, roll = torch.tensor([0.05, 0.035])
    road2bev = torch.eye(4)
    road2bev[:3, :3] = torch.tensor(
        [[pitch.cos(), 0, pitch.sin()], [0, 1, 0], [-pitch.sin(), 0, pitch.cos()]]
    ) @ torch.tensor([[1, 0, 0], [0, roll.cos(), -roll.sin()], [0, roll.sin(), roll.cos()]])
    road2bev[:3, 3] = torch.tensor([0.9, 0.1, -1.84])
    return road2bev
