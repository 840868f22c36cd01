"""Common parts of teachers that run a network."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ssl_bev.half_precision import has_half_precision

from .class_maps import ClassMaps, IdMaps
from .images import Scale, check_images, check_scale, group_by_size, resize, scaled_size

logger = logging.getLogger(__name__)

AUTOCAST = ('bfloat16', 'float16')
STRIDE = 32  # of the coarsest features; with multiples of it, all maps align with the image


class NetworkTeacher(ABC):
    """Runs images of equal size through a network in one go; see `Teacher`.

    Args:
        name: of the model.
        sha256: of its weights.
        class_names: its classes in the order of their ids.
        device: that it runs on.
        scale, autocast: see `build_teacher`.

    Raises:
        ValueError: more classes than fit into a byte besides 255 (ignore), an invalid scale, or another autocast.
    """

    def __init__(
        self,
        name: str,
        sha256: str,
        class_names: Sequence[str],
        device: torch.device,
        scale: Scale = None,
        autocast: str | None = None,
    ) -> None:
        if not 0 < len(class_names) <= 255:
            raise ValueError(f'teacher {name} must have 1 to 255 classes (ids are uint8), got {len(class_names)}')
        self.name = name
        self.sha256 = sha256
        self.class_names = [str(class_name) for class_name in class_names]
        self.settings: dict[str, object] = {}
        if autocast not in (None, *AUTOCAST):
            raise ValueError(f'autocast must be one of {", ".join(AUTOCAST)} or None, got {autocast!r}')
        self._scale = check_scale(scale)
        self._autocast = dict(device_type=device.type, enabled=False)
        if autocast:
            dtype = getattr(torch, autocast)
            if has_half_precision(device, dtype):
                self._autocast.update(dtype=dtype, enabled=True)
            else:
                logger.warning(
                    'this CPU does not know %s, as autocast asks: teacher %s stays in float32', autocast, name
                )

    @torch.inference_mode()
    def predict(
        self,
        images: Sequence[np.ndarray],  # each (H, W, 3) uint8, BGR
        paths: Sequence[str | Path] | None = None,
    ) -> list[tuple[np.ndarray, np.ndarray]]:  # each (H, W) uint8 class ids, (H, W) uint8 confidence
        """Label images, each at its own size; see `Teacher.predict`. The paths are not needed."""
        check_images(images)
        labels: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for size, members in group_by_size(images).items():
            seen = self.network_size(size)
            with torch.autocast(**self._autocast):
                maps = self.run_network(np.stack([resize(images[index], seen) for index in members]))
            labels.update(zip(members, zip(*maps.label(size), strict=True), strict=True))
        return [labels[index] for index in range(len(images))]

    def network_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) of the network input for an image of (height, width)."""
        return scaled_size(size, self._scale)

    @abstractmethod
    def run_network(self, images: np.ndarray) -> ClassMaps | IdMaps:  # (B, H, W, 3) uint8, BGR
        """Run the network."""


def content_size(
    maps: Sequence[int],  # (h, w) of a network's maps
    padded: Sequence[int],  # (H, W) of its input
    image: Sequence[int],  # (H, W) of the image in its input, at the top left
) -> tuple[float, float]:
    """The (height, width) of the maps that show the image; see `ClassMaps.content`."""
    height, width = (m * i / p for m, p, i in zip(maps, padded, image, strict=True))
    return height, width


def missing_library(kind: str, extra: str, error: ModuleNotFoundError) -> ModuleNotFoundError:
    """The error for a teacher whose library is not installed."""
    return ModuleNotFoundError(
        f"a teacher of kind {kind!r} needs {error.name}, which is not installed: pip install 'ssl_bev[{extra}]'",
        name=error.name,
    )
