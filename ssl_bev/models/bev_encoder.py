"""The contract of a BEV encoder: its inputs and outputs. A new encoder is one class that keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from ssl_bev.structures import CameraRig


@dataclass(frozen=True)
class FrameInputs:
    """Inputs of an encoder from one frame of B samples.

    Args:
        image_features: levels of (B, N, C, h, w), made by backbone and neck; empty without a backbone.
        image_size: height and width of the images that the features cover, padding included, pixels. `bev2img` of
            the rig projects to pixels of these images.
        points: B clouds (P, F), x, y, z first, metres in this frame's BEV frame; empty unless the pipeline loads them.
        state_valid: (B,) bool, False if the state is not the past of the sample and must have no effect, as at the
            start of a scene. None: it is always valid.
        prepared: result of `prepare_window` for this frame; None: it was not called.
    """

    image_features: Sequence[Tensor] = ()
    image_size: tuple[int, int] | None = None
    points: Sequence[Tensor] = ()
    state_valid: Tensor | None = None
    prepared: Any = None


class BEVEncoder(BaseModule):
    """Turns the sensors of one frame into BEV features.

    `stateful` says whether the encoder has a state. For a stateless encoder, frames before those that are trained or
    predicted are not computed.

    Example:
        >>> @MODELS.register_module()
        ... class MeanColour(BEVEncoder):
        ...     def forward(self, inputs, rig, state=None):
        ...         mean = inputs.image_features[0].mean((1, 3, 4))
        ...         return mean[:, :, None, None].expand(-1, -1, 30, 60), None
    """

    stateful = False

    def prepare_window(self, rig: CameraRig, image_size: tuple[int, int] | None) -> Sequence[Any] | None:
        """Compute what depends only on calibration, for all T frames of a window at once; frames get it as `prepared`.

        An encoder that needs a number from the device, such as the count of visible cells, reads it once here instead
        of once per frame, since a GPU idles while the host waits.

        Args:
            rig: of the window, with the dimension T.
            image_size: as in `FrameInputs`.

        Returns:
            One value for each frame, or None if there is nothing to prepare.
        """
        return None

    def forward(self, inputs: FrameInputs, rig: CameraRig, state: Any = None) -> tuple[Tensor, Any]:
        """Encode one frame.

        Args:
            inputs: image features or points of the frame.
            rig: calibration and pose of the frame: `bev2img` (B, N, 4, 4), `camera_valid` (B, N), `bev2global`
                (B, 4, 4) float64, `road`: the ground.
            state: returned by the call for the previous frame; None: there was none. It is private to the encoder and
                must not be changed in place. It contains all poses that the encoder needs.

        Returns:
            BEV features (B, C, H, W), whose rows grow with y and whose columns grow with x, over the configured range
            of the encoder; and the next state, None if it has none.
        """
        raise NotImplementedError
