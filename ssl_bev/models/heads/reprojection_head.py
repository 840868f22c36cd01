"""Supervision of a BEV map by 2-D labels: the map is carried onto the ground that each camera sees."""

from __future__ import annotations

from mmdet3d.registry import MODELS
from torch import Tensor, nn

from ssl_bev.geometry import BEVGrid, ground_pixels


@MODELS.register_module()
class ReprojectionHead(nn.Module):
    """Compare BEV logits, reprojected into the cameras, with pseudo-labels.

    Each pixel counts by the teacher's confidence and by the ground area that it covers: a cell at 5 m covers some 500
    times the pixels of one at 40 m, and unweighted near cells would drown the rest.

    Args:
        loss: config of the loss, called as `loss(logits, target, weight)` with all valid pixels of the batch in one
            row, (1, K, V), and weights of (1, 1, V).
        max_area: ground area of a pixel block, in square metres, beyond which its weight grows no more. A block of
            the far field is larger than the paint it shows.
        area_power: exponent of the area in the weight; 1 counts ground, 0 counts pixels.
        confidence_power: exponent of the confidence in the weight; 0 counts all pixels alike.
        min_confidence: pixels below this confidence are ignored, 0 ... 1.
    """

    def __init__(
        self,
        loss: dict,
        max_area: float = 0.5,
        area_power: float = 1.0,
        confidence_power: float = 1.0,
        min_confidence: float = 0.0,
    ) -> None:
        super().__init__()
        if max_area <= 0:
            raise ValueError(f'max_area must be positive (square metres), got {max_area}')
        for name, power in (('area_power', area_power), ('confidence_power', confidence_power)):
            if power < 0:
                raise ValueError(f'{name} must not be negative, got {power}')
        if not 0 <= min_confidence <= 1:
            raise ValueError(f'min_confidence must lie in 0 ... 1, got {min_confidence}')
        self.loss_module = MODELS.build(loss)
        self.max_area = max_area
        self.area_power = area_power
        self.confidence_power = confidence_power
        self.min_confidence = min_confidence

    def loss(
        self,
        logits: Tensor,  # (B, K, H, W)
        grid: BEVGrid,
        bev2img: Tensor,  # (B, N, 4, 4)
        road2bev: Tensor,  # (B, 4, 4)
        image_size: tuple[int, int],
        target: Tensor,  # (B, N, K, h, w), 0, 1 or 255 = ignore
        confidence: Tensor,  # (B, N, h, w), uint8, 255 = certain
        sample_weight: Tensor | None = None,  # (B,)
    ) -> Tensor:  # ()
        """The loss of one frame's map against its cameras' pseudo-labels.

        Raises:
            ValueError: the pseudo-labels are no whole-number stride of the images, or have other classes.
        """
        stride = self._stride(image_size, target, logits)
        grid.check(logits)
        pixels = ground_pixels(grid, bev2img, road2bev, image_size, stride)
        projected = pixels.read(logits)
        certainty = pixels.select(confidence[None])[0].float() / 255
        area = (pixels.area * stride**2).clamp(max=self.max_area)
        weight = area.pow(self.area_power) * certainty.pow(self.confidence_power) * (certainty >= self.min_confidence)
        if sample_weight is not None:
            weight = weight * sample_weight[pixels.sample]
        # The loss is over all pixels of the batch alike, so they may stand in one row.
        return self.loss_module(projected[None], pixels.select(target.movedim(2, 0))[None], weight[None, None])

    @staticmethod
    def _stride(image_size: tuple[int, int], target: Tensor, logits: Tensor) -> int:
        height, width = target.shape[-2:]
        stride = image_size[1] // width
        if (height * stride, width * stride) != tuple(image_size):
            raise ValueError(
                f'pseudo-labels of {(height, width)} are no whole-number stride of the images {tuple(image_size)}'
            )
        if target.shape[2] != logits.shape[1]:
            raise ValueError(
                f'pseudo-labels have {target.shape[2]} classes, the map has {logits.shape[1]}; '
                'LoadPseudoLabels.classes and the coarse classes of the segmentation head must agree'
            )
        return stride
