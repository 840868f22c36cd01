"""Supervision of a BEV map by 2-D labels: both are compared on the ground that each camera sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmdet3d.registry import MODELS
from torch import Tensor

from ssl_bev.geometry import BEVGrid, Road, cell_points, visible_cells
from ssl_bev.structures import CameraRig
from ssl_bev.targets import IGNORE

from .cell_labels import lies_inside, reading_rules
from .labels import stack_pseudo_labels
from .objective import Frame, Objective, Window


@MODELS.register_module()
class ReprojectionHead(Objective):
    """Compare BEV logits with the pseudo-labels of the cameras that see the ground.

    The way goes from the ground into the images: points of each cell are projected into every camera that sees its
    centre, and read the labels there, so that no visible cell is left out, however few pixels it has. An area is
    averaged over the cell. Paint is thinner than the lines of a map: a class with a `line_width` is present where its
    paint lies within half the difference of both widths, so that the model learns lines as wide as the map's.

    The border of the road has no label of its own: it is the edge of the drivable area, seen where this meets what is
    known to lie outside of it, such as a curb or a sidewalk; not where a vehicle hides the ground, nor where the image
    ends.

    A cell counts by the teacher's confidence, once for each camera that sees it, and less where one pixel of the labels
    covers more ground than `max_area`.

    Args:
        loss: config of the loss, called as `loss(logits, probability, weight)` with maps (B, K, H, W).
        line_width: class -> how wide the BEV labels draw it, metres; classes that are not named are areas.
        edges: class without pseudo-labels -> the class whose edge it is; it needs a `line_width`.
        inside: line -> the area in which it must lie: `dict(marking='drivable')` leaves out the lines along the edge
            of the road, which maps of lane dividers do not have.
        edge_margin: how far from that edge a line of `inside` must lie, metres.
        paint_width: how wide paint is on the road, metres.
        max_area: ground that one pixel of the labels covers, square metres, beyond which the weight falls.
        area_power: a pixel with the area a weighs `min(a, max_area)` to this power; 1 counts ground, 0 counts pixels.
        confidence_power: exponent of the confidence in the weight; 0 counts all alike.
        min_confidence: cells whose labels are below this confidence are ignored, 0 ... 1.
        num_frames: how many of the window's last frames have their map compared.
        neighbour_weight: weight of comparing each of these maps with the labels of the window's *other* frames, beside
            its own frame's weight of 1; 0: not at all. The world stands still; what moves has no label of the ground.
            Source: RenderOcc and SkyEye, which use neighbouring frames too.
    """

    reads = 'coarse'
    needs = ('pseudo_target', 'pseudo_confidence')

    def __init__(
        self,
        loss: Mapping,
        line_width: Mapping[str, float] | None = None,
        edges: Mapping[str, str] | None = None,
        inside: Mapping[str, str] | None = None,
        edge_margin: float = 1.0,
        paint_width: float = 0.12,
        max_area: float = 0.5,
        area_power: float = 1.0,
        confidence_power: float = 1.0,
        min_confidence: float = 0.0,
        num_frames: int = 2,
        neighbour_weight: float = 0.0,
    ) -> None:
        super().__init__()
        if max_area <= 0:
            raise ValueError(f'max_area must be positive (square metres), got {max_area}')
        for name, value in (
            ('paint_width', paint_width),
            ('edge_margin', edge_margin),
            ('area_power', area_power),
            ('confidence_power', confidence_power),
            ('neighbour_weight', neighbour_weight),
        ):
            if value < 0:
                raise ValueError(f'{name} must not be negative, got {value}')
        if num_frames < 1:
            raise ValueError(f'num_frames must be at least 1, got {num_frames}')
        if not 0 <= min_confidence <= 1:
            raise ValueError(f'min_confidence must lie in 0 ... 1, got {min_confidence}')
        self.loss_module = MODELS.build(loss)
        self.line_width = dict(line_width or {})
        self.edges = dict(edges or {})
        self.inside = dict(inside or {})
        self.edge_margin = edge_margin
        self.paint_width = paint_width
        self.max_area = max_area
        self.area_power = area_power
        self.confidence_power = confidence_power
        self.min_confidence = min_confidence
        self.num_frames = num_frames
        self.neighbour_weight = neighbour_weight

    def loss(self, window: Window) -> Tensor:
        """The maps of the last frames against the labels of their own cameras and of neighbouring frames'."""
        frames = window.frames[-self.num_frames :]
        bev = frames[-1].maps[self.reads]
        labelled = window.rig.num_frames if self.neighbour_weight else len(frames)
        labels = stack_pseudo_labels(window.data_samples, self._labelled(bev.classes), labelled)
        views = [self._views(window.rig, frame, *labels) for frame in frames]
        roads, *parts = zip(*views, strict=True)
        bev2img, target, confidence, camera_weight = map(torch.cat, parts)
        logits = torch.cat([frame.maps[self.reads].logits for frame in frames])
        geometry = (bev.grid, bev2img, Road.cat(roads), window.rig.image_size)
        return self.compare(logits, *geometry, target, confidence, camera_weight, bev.classes)

    def _views(
        self, rig: CameraRig, frame: Frame, target: Tensor, confidence: Tensor
    ) -> tuple[Road, Tensor, Tensor, Tensor, Tensor]:
        """The ground, and projections, labels and weight of the cameras that are asked about one frame's map."""
        views = []
        times = range(rig.num_frames) if self.neighbour_weight else (frame.index,)
        for t in times:
            other, own = rig.frame(t), t == frame.index
            bev2img = other.bev2img if own else rig.bev2img_of(t, frame.index)
            valid = (frame.rig.frame_valid & other.frame_valid)[:, None] & other.camera_valid
            label = t - rig.num_frames  # labels are those of the window's last frames
            weight = valid * (1.0 if own else self.neighbour_weight)
            views.append((bev2img, target[:, label], confidence[:, label], weight))
        road = frame.rig.road
        if rig.known_road and len(times) > 1:  # it is known best from where the camera is
            cameras = range(frame.rig.bev2img.shape[1])
            road = Road.cat([rig.road_of(t, frame.index)[:, None] for t in times for _ in cameras], 1)
        bev2img, targets, confidences, weights = (torch.cat(part, 1) for part in zip(*views, strict=True))
        return road, bev2img, targets, confidences, weights

    def compare(
        self,
        logits: Tensor,  # (B, K, H, W)
        grid: BEVGrid,
        bev2img: Tensor,  # (B, N, 4, 4)
        road: Road | Tensor,  # (B) or (B, N), or road2bev (B, 4, 4)
        image_size: tuple[int, int],
        target: Tensor,  # (B, N, K', h, w) uint8, 0 ... 254 or 255 = ignore, of the K' classes that are no edges
        confidence: Tensor,  # (B, N, h, w) uint8, 255 = certain
        camera_weight: Tensor | None = None,  # (B, N)
        classes: Sequence[str] = (),
    ) -> Tensor:  # ()
        """The loss of maps against the labels of their cameras, for any model.

        Raises:
            ValueError: labels of other classes than the map but for its edges, or what `reading_rules` raises.
        """
        grid.check(logits)
        if target.shape[2] != logits.shape[1] - len(self.edges):
            raise ValueError(
                f'pseudo-labels have {target.shape[2]} classes, the map has {logits.shape[1] - len(self.edges)}; '
                'LoadPseudoLabels.classes and the coarse classes of the segmentation head must agree'
            )
        probability, weight = self.labels_on_ground(
            grid, bev2img, road, image_size, target, confidence, camera_weight, classes
        )
        return self.loss_module(logits, probability, weight)

    @torch.no_grad()
    def labels_on_ground(
        self,
        grid: BEVGrid,
        bev2img: Tensor,  # (B, N, 4, 4)
        road: Road | Tensor,  # (B) or (B, N), or road2bev (B, 4, 4)
        image_size: tuple[int, int],
        target: Tensor,  # (B, N, K', h, w), of the K' classes that are no edges
        confidence: Tensor,  # (B, N, h, w)
        camera_weight: Tensor | None = None,  # (B, N)
        classes: Sequence[str] = (),
    ) -> tuple[Tensor, Tensor]:  # (B, K, H, W), (B, K, H, W)
        """What the cameras say of each cell: each class's probability, 255 where nothing is known, and its weight."""
        batch, _, num_planes, height, width = target.shape
        rules = reading_rules(
            classes or num_planes, self.line_width, self.edges, self.paint_width, self.inside, self.edge_margin
        )
        reach = (tuple(rule.radius for rule in rules), tuple(rule.margin for rule in rules))
        offsets, in_cell, asked, around = cell_points(grid.cell_size, *reach, bev2img.device)
        cells = visible_cells(grid, bev2img, road, image_size, offsets)
        u, v = cells.pixels  # (S, V)
        column = (u * (width / image_size[1])).clamp_(0, width - 1).int()
        row = (v * (height / image_size[0])).clamp_(0, height - 1).int()
        size = height * width  # of one plane of labels
        pixel = row.mul_(width).add_(column) + cells.camera * size  # flat index into (B, N, h, w)

        sure = confidence.flatten().take(pixel[:in_cell]).float().mean(0) / 255
        ground = cells.area * (image_size[0] * image_size[1] / size)  # that one pixel of the labels covers
        counts = ground.clamp(max=self.max_area).pow(self.area_power) / ground
        counts = counts * sure.pow(self.confidence_power) * (sure >= self.min_confidence)
        if camera_weight is not None:
            counts = counts * camera_weight.flatten()[cells.camera]

        planes = target.movedim(2, 0).flatten(1)
        nearness = ground.reciprocal()  # pixels a square metre: who stands nearer sees it better
        shares, weights = [], []
        for rule, near, circle in zip(rules, asked, around, strict=True):
            share, certain = rule.read(planes[rule.plane].take(pixel[near]))
            if rule.inside is not None:
                share = share * lies_inside(planes[rule.inside].take(pixel[circle]))
            shares.append(share)
            weights.append(certain * counts)
        weight = torch.stack(weights)  # (K, V)
        total = weight.new_zeros(len(rules), batch * grid.shape[0] * grid.shape[1])
        votes, positive = torch.zeros_like(total), torch.zeros_like(total)
        votes.index_add_(1, cells.cell, weight * nearness)
        positive.index_add_(1, cells.cell, weight * nearness * torch.stack(shares))
        total.index_add_(1, cells.cell, weight)
        probability = torch.where(total > 0, positive / votes.clamp(min=torch.finfo(votes.dtype).tiny), float(IGNORE))
        maps = (part.unflatten(1, (batch, *grid.shape)).transpose(0, 1) for part in (probability, total))
        return tuple(maps)

    def _labelled(self, classes: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in classes if name not in self.edges)
