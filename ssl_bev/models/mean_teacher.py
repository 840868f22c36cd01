"""Consistency with a mean teacher: the running average of the student's own weights, which sees more than the student.

Source: Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from ssl_bev.structures import CameraRig


@MODELS.register_module()
class MeanTeacherLoss(nn.Module):
    """The student's map against the teacher's where the teacher is sure; needs `MeanTeacherHook`.

    The teacher has all cameras and no dropout. The student lacks some cameras, and must know from the others, from its
    history and from what roads look like what it does not see.

    Args:
        loss: config of the loss, called as `loss(logits, probability, weight)`.
        min_confidence: where the teacher's |2 p - 1| is below, nothing is taught, 0 ... 1.
        drop_cameras: cameras that the student lacks, drawn for each sample anew.
    """

    def __init__(self, loss: dict, min_confidence: float = 0.6, drop_cameras: int = 1) -> None:
        super().__init__()
        if not 0 <= min_confidence <= 1:
            raise ValueError(f'min_confidence must lie in 0 ... 1, got {min_confidence}')
        if drop_cameras < 0:
            raise ValueError(f'drop_cameras must not be negative, got {drop_cameras}')
        self.loss_module = MODELS.build(loss)
        self.min_confidence = min_confidence
        self.drop_cameras = drop_cameras

    def disturb(
        self,
        images: Tensor,  # (B, T, N, 3, H, W)
        rig: CameraRig,
    ) -> tuple[Tensor, CameraRig]:
        """The student's input: each sample lacks some cameras, the same in all frames of its window."""
        batch, _, cameras = images.shape[:3]
        if not self.drop_cameras:
            return images, rig
        order = torch.rand(batch, cameras, device=images.device).argsort(1)
        kept = order >= min(self.drop_cameras, cameras - 1)  # (B, N)
        rig = replace(rig, camera_valid=rig.camera_valid & kept[:, None])
        return images * kept[:, None, :, None, None, None], rig

    def forward(
        self,
        logits: Tensor,  # (B, K, H, W), the student's
        teacher_logits: Tensor,  # (B, K, H, W)
    ) -> Tensor:  # ()
        """The loss; no gradient flows into the teacher."""
        probability = teacher_logits.detach().sigmoid()
        sure = (2 * probability - 1).abs() >= self.min_confidence
        return self.loss_module(logits, probability, sure.to(logits.dtype))
