"""The contract of an objective: what it is given and what it returns. A new one is one class and one config key."""

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
    """What the model made of one frame.

    Args:
        index: of the frame in the window of T.
        rig: of this frame, without the dimension T.
        features: image features, levels of (B, N, C, h, w); empty for a model without images.
        maps: 'fine', the classes of the BEV labels, and 'coarse', those of the pseudo-labels; empty where no objective
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
        frames: the last ones, oldest first, those that are trained.
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

    An instance says what it needs:

    - `reads`: 'fine' or 'coarse', the map that it trains; None: it reads image features alone. Where no objective with
      a weight reads a map, the BEV encoder does not run.
    - `num_frames`: how many of the window's last frames it trains. There may be fewer in the window.
    - `needs`: fields of the data samples without which it cannot work.

    It is built from `objectives=dict(name=dict(type=...))` of a model, logged as `loss_{name}` and weighed by its name.
    """

    reads: str | None = None
    num_frames: int = 1
    needs: tuple[str, ...] = ()

    def loss(self, window: Window) -> Tensor:  # ()
        """The loss of a batch, without its weight.

        `window.frames` are those of the objective that wants most of them, so take the last `num_frames`. Where nothing
        is labelled the result is 0 and still has the graph of what was read. Sums over cells go through
        `sum_over_processes`, so that several processes train as one with the joined batch.
        """
        raise NotImplementedError
