"""Stack, normalise and pad the images of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet3d.registry import MODELS
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from ssl_bev.structures import BEVDataSample


@MODELS.register_module()
class BEVDataPreprocessor(BaseDataPreprocessor):
    """Turn a collated batch into a float image tensor (B, T, N, 3, H, W); points and data samples move to its device.

    Images are padded with zeros (after normalisation) on the right and at the bottom, so pixel coordinates and
    `bev2img` do not change. `img_shape` remains the size without padding; `pad_shape` is added.

    Args:
        mean: of each channel, in the final order of channels.
        std: the same.
        bgr_to_rgb: True: convert BGR images to RGB.
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
        """Preprocess a batch as `pseudo_collate` makes it, or a single sample.

        Args:
            data: `dict(inputs=dict(img=[(T, N, 3, H, W), ...], points=[[(P, F), ...], ...]), data_samples=[...])`; of
                the points, T' lists of B clouds. Either input may be missing.
            training: has no effect.

        Returns:
            dict with inputs, of which `img` is (B, T, N, 3, H, W) and `points` are B lists of T' clouds, and
            data_samples.
        """
        if not isinstance(data['data_samples'], (list, tuple)):
            data = pseudo_collate([data])
        data = self.cast_data(data)
        samples, inputs = list(data['data_samples']), {}
        if 'img' in data['inputs']:
            inputs['img'] = self._stack(data['inputs']['img'], samples)
        if 'points' in data['inputs']:
            inputs['points'] = [list(clouds) for clouds in zip(*data['inputs']['points'], strict=True)]
        return {'inputs': inputs, 'data_samples': samples}

    def _stack(self, images: Sequence[Tensor], samples: Sequence[BEVDataSample]) -> Tensor:
        for image in images:
            if image.shape[-3] != 3:
                raise ValueError(f'images must be (T, N, 3, H, W), got {tuple(image.shape)}')
        if len(sizes := {tuple(image.shape[:-3]) for image in images}) > 1:
            raise ValueError(f'samples of a batch must have equally many frames and cameras, got {sorted(sizes)}')
        height, width = (self._padded(max(image.shape[axis] for image in images)) for axis in (-2, -1))
        for sample in samples:
            sample.set_metainfo({'pad_shape': (height, width)})
        size = (len(images), *images[0].shape[:-2], height, width)
        is_padded = any(image.shape[-2:] != size[-2:] for image in images)
        stack = (self.mean.new_zeros if is_padded else self.mean.new_empty)(size)
        for into, image in zip(stack, images, strict=True):
            into = into[..., : image.shape[-2], : image.shape[-1]]
            into.copy_(image.flip(-3) if self.bgr_to_rgb else image).sub_(self.mean).div_(self.std)
        return stack

    def _padded(self, size: int) -> int:
        return -(-size // self.pad_size_divisor) * self.pad_size_divisor
