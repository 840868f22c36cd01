"""The contract of a BEV encoder: what it is given and what it gives. A new encoder is one class that keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from ssl_bev.structures import CameraRig


@dataclass(frozen=True)
class FrameInputs:
    """What one frame of B samples gives to an encoder.

    Args:
        image_features: levels of (B, N, C, h, w), made by backbone and neck; empty without a backbone.
        image_size: height and width of the images that the features cover, padding included, pixels. The rig's
            `bev2img` leads to pixels of these images.
        points: B clouds (P, F), x, y, z first, metres in this frame's BEV frame; empty unless the pipeline loads them.
        state_valid: (B,) bool, False where the state is not of the sample's own past and must have no effect, as at the
            start of a scene. None: it is everywhere.
        prepared: of this frame, what the encoder's `prepare_window` made; None: it was not called.
    """

    image_features: Sequence[Tensor] = ()
    image_size: tuple[int, int] | None = None
    points: Sequence[Tensor] = ()
    state_valid: Tensor | None = None
    prepared: Any = None


class BEVEncoder(BaseModule):
    """Turns the sensors of one frame into BEV features.

    `stateful` says whether the encoder remembers. Of a stateless one, frames before those that are trained or
    predicted are never computed.

    Example:
        >>> @MODELS.register_module()
        ... class MeanColour(BEVEncoder):
        ...     def forward(self, inputs, rig, state=None):
        ...         mean = inputs.image_features[0].mean((1, 3, 4))
        ...         return mean[:, :, None, None].expand(-1, -1, 30, 60), None
    """

    stateful = False

    def prepare_window(self, rig: CameraRig, image_size: tuple[int, int] | None) -> Sequence[Any] | None:
        """What hangs on calibration alone, of all T frames of a window at once; each frame finds its own in its inputs.

        An encoder that must ask the device for a number, such as how many cells are seen, asks once here instead of
        once a frame: a GPU idles while the host waits.

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
                (B, 4, 4) float64, `road`: where the ground is.
            state: what the call for the frame before returned; None: there was none. It belongs to the encoder, nobody
                else looks into it, and it must not be changed in place. Poses that it needs it keeps itself.

        Returns:
            BEV features (B, C, H, W), whose rows grow with y and whose columns grow with x, over the range that the
            encoder was configured for; and the next state, None if it has none.
        """
        raise NotImplementedError
