"""Stack, normalise and pad the images of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmengine.model import BaseDataPreprocessor
from torch import Tensor


@MODELS.register_module()
class BEVDataPreprocessor(BaseDataPreprocessor):
    """Turn a collated batch into a float image tensor (B, T, N, 3, H, W); data samples move to the same device.

    Images are padded with zeros (after normalisation) on the right and at the bottom, where pixel coordinates and
    so `bev2img` stay as they are. `img_shape` remains the size without padding; `pad_shape` is added.

    Args:
        mean: of each channel, in the channels' final order.
        std: the same.
        bgr_to_rgb: True: turn the images' BGR into RGB.
        pad_size_divisor: height and width become multiples of it.

    Raises:
        ValueError: mean and std that are not three numbers each, or std that is not positive.
    """

    def __init__(
        self,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        bgr_to_rgb: bool = True,
        pad_size_divisor: int = 1,
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking)
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ValueError(f'mean and std must be three numbers each, std positive; got {tuple(mean)}, {tuple(std)}')
        if pad_size_divisor < 1:
            raise ValueError(f'pad_size_divisor must be at least 1, got {pad_size_divisor}')
        self.bgr_to_rgb = bgr_to_rgb
        self.pad_size_divisor = pad_size_divisor
        self.register_buffer('mean', torch.tensor(mean, dtype=torch.float32).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std, dtype=torch.float32).view(3, 1, 1), persistent=False)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Preprocess `dict(inputs=dict(img=[(T, N, 3, H, W), ...]), data_samples=[...])`, or a single sample of it."""
        single = not isinstance(data['data_samples'], (list, tuple))
        if single:
            data = {'inputs': {'img': [data['inputs']['img']]}, 'data_samples': [data['data_samples']]}
        data = self.cast_data(data)
        images = [self._normalize(image) for image in data['inputs']['img']]
        height, width = (self._padded(max(image.shape[axis] for image in images)) for axis in (-2, -1))
        padded = [F.pad(image, (0, width - image.shape[-1], 0, height - image.shape[-2])) for image in images]
        for sample in data['data_samples']:
            sample.set_metainfo({'pad_shape': (height, width)})
        return {'inputs': {'img': torch.stack(padded)}, 'data_samples': list(data['data_samples'])}

    def _normalize(self, image: Tensor) -> Tensor:
        if image.shape[-3] != 3:
            raise ValueError(f'images must be (T, N, 3, H, W), got {tuple(image.shape)}')
        image = image.flip(-3) if self.bgr_to_rgb else image
        return (image.float() - self.mean) / self.std

    def _padded(self, size: int) -> int:
        return -(-size // self.pad_size_divisor) * self.pad_size_divisor
