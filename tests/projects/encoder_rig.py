"""Hand-made rigs of single frames for the stateless camera encoders."""

from __future__ import annotations

import torch
from bevformer_rig import IMAGE_SIZE, ring_of_cameras
from torch import Tensor

from ssl_bev.geometry import translation
from ssl_bev.structures import CameraRig


def make_rig(
    bev2img: Tensor,  # (B, N, 4, 4)
    road2bev: Tensor | None = None,  # (B, 4, 4)
    camera_valid: Tensor | None = None,  # (B, N), bool
) -> CameraRig:
    """A rig of one frame, without the dimension T; the road is at z = 0 and all cameras are there unless said."""
    batch, num_cameras = bev2img.shape[:2]
    return CameraRig(
        bev2img=bev2img,
        bev2global=torch.eye(4, dtype=torch.float64).repeat(batch, 1, 1),
        road2bev=torch.eye(4).repeat(batch, 1, 1) if road2bev is None else road2bev,
        frame_valid=torch.ones(batch, dtype=torch.bool),
        camera_valid=torch.ones(batch, num_cameras, dtype=torch.bool) if camera_valid is None else camera_valid,
        image_size=IMAGE_SIZE,
    )


def forward_rig(road2bev: Tensor | None = None) -> CameraRig:
    """One sample, one camera 1.5 m above the origin that looks along x; f = 50 px, centre (48, 32), 96 x 64 px."""
    return make_rig(ring_of_cameras(1)[None], road2bev)


def sloping_road() -> Tensor:  # (4, 4)
    """A road 1.84 m below the BEV frame that rises along x."""
    slope = torch.tensor(-0.05)
    road2bev = translation(torch.tensor([0.9, 0.1, -1.84]))
    road2bev[0, 0] = road2bev[2, 2] = slope.cos()
    road2bev[0, 2], road2bev[2, 0] = slope.sin(), -slope.sin()
    return road2bev


def two_sample_rig(num_cameras: int = 3) -> CameraRig:
    """Two samples that differ in their cameras, their road, and in that the second lacks its first camera."""
    rigs = [ring_of_cameras(num_cameras), ring_of_cameras(num_cameras, first_yaw=0.5, focal_length=30, height=2.0)]
    valid = torch.ones(2, num_cameras, dtype=torch.bool)
    valid[1, 0] = False
    return make_rig(torch.stack(rigs), torch.stack([torch.eye(4), sloping_road()]), valid)


def choose(rig: CameraRig, samples: list[int]) -> CameraRig:
    """The rig of some of the samples, in that order."""
    tensors = {n: value[samples] for n, value in vars(rig).items() if n != 'image_size' and value is not None}
    return CameraRig(image_size=rig.image_size, **tensors)


def blind_rigs() -> tuple[CameraRig, CameraRig]:
    """Two rigs like `two_sample_rig` that see nothing: all cameras missing, or all far below the road."""
    missing, buried = two_sample_rig(), two_sample_rig()
    missing.camera_valid[:] = False
    buried.bev2img[:] = ring_of_cameras(3, height=-500.0)
    return missing, buried
