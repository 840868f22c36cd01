"""The contract of an objective: its inputs and its result. A new one is one class and one config key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor

from ssl_bev.geometry import BEVGrid
from ssl_bev.structures import CameraRig


@dataclass(frozen=True)
class BEVMap:
    """A predicted map: logits (B, K, H, W) of the K classes on a grid."""

    logits: Tensor
    classes: tuple[str, ...]
    grid: BEVGrid


@dataclass(frozen=True)
class Frame:
    """Features and maps of the model for one frame.

    Args:
        index: of the frame in the window of T.
        rig: of this frame, without the dimension T.
        features: image features, levels of (B, N, C, h, w); empty for a model without images.
        maps: 'fine', the classes of the BEV labels, and 'coarse', those of the pseudo-labels; empty if no objective
            with a weight reads a map.
    """

    index: int
    rig: CameraRig
    features: Sequence[Tensor]
    maps: Mapping[str, BEVMap]


@dataclass(frozen=True)
class Window:
    """A batch of windows of T frames.

    Args:
        frames: the last ones, which are trained, oldest first.
        rig: of all T frames.
        data_samples: one for each of the B samples, with the labels and their metainfo.
        padded_size: height and width of the images that the features cover, pixels.
    """

    frames: Sequence[Frame]
    rig: CameraRig
    data_samples: Sequence[BaseDataElement]
    padded_size: tuple[int, int] | None = None


class Objective(BaseModule):
    """Something that trains a model: a head, a loss, or both.

    An instance states what it needs:

    - `reads`: 'fine' or 'coarse', the map that it trains; None: it reads image features alone. If no objective with
      a weight reads a map, the BEV encoder does not run.
    - `num_frames`: the number of last frames of the window that it trains. The window may have fewer.
    - `min_frames`: the number of frames without which it has nothing to train.
    - `needs`: fields of the data samples without which it cannot work.

    It is built from `objectives=dict(name=dict(type=...))` of a model, logged as `loss_{name}` and weighted by its
    name.
    """

    reads: str | None = None
    num_frames: int = 1
    min_frames: int = 1
    needs: tuple[str, ...] = ()

    def loss(self, window: Window) -> Tensor:  # ()
        """The loss of a batch, without its weight.

        `window.frames` are those of the objective that needs most of them, so use the last `num_frames`. If nothing
        is labelled, the result is 0 and still has the graph of what was read. Sums over cells go through
        `sum_over_processes`, so that several processes train like one with the joined batch.
        """
        raise NotImplementedError
