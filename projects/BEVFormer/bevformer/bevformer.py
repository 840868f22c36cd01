"""BEVFormer as a BEV encoder: image features and calibration in, a BEV feature map out. No CAN bus."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.layers import LearnedPositionalEncoding
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from ssl_bev.geometry import BEVGrid, Road, invert_rigid
from ssl_bev.models import BEVEncoder, FrameInputs
from ssl_bev.models.encoder_inputs import check_features, check_flags, check_shape
from ssl_bev.models.initialization import starts_pretrained
from ssl_bev.structures import CameraRig

from .encoder import BEVFormerEncoder
from .history import BEVFormerState, align_history
from .image_features import flatten_features, input_projections
from .reference_points import PillarViews, pillar_points, view_pillars


@MODELS.register_module()
class BEVFormer(BEVEncoder):
    """Learned BEV queries, refined from the cameras and from an earlier BEV (arXiv 2203.17270).

    Convention: the rows of the BEV grow with y and its columns with x. Pixels start at the image's outer corner,
    the centre of the first is (0.5, 0.5).

    Args:
        x_range: lowest and highest x, metres.
        y_range: lowest and highest y, metres.
        bev_shape: rows (along y) and columns (along x); the cells must come out square.
        embed_dims: channels of the BEV.
        num_layers: encoder layers.
        num_heads: heads of each attention.
        num_levels: feature levels.
        num_cams: the largest number of cameras.
        in_channels: channels of the image features, one number or one for each level, to be projected to
            `embed_dims` by a 1x1 convolution; None if they have `embed_dims` already.
        z_range: lowest and highest height of a pillar, metres.
        num_pillar_points: points of a pillar.
        pillar_base: 'road' measures `z_range` from the ground; 'frame' from z = 0 of the BEV frame, as the
            original does in the lidar frame with (-5, 3).
        num_temporal_points: sampling points of a head in each of the two BEV maps.
        num_spatial_points: sampling points of a head in each feature level; a multiple of `num_pillar_points`.
        sampling_spread: distance between the first sampling points in the images, in cells of the feature map. An
            optimizer step moves a point by about the learning rate, so a short training wants it small.
        feedforward_channels: width of the feed-forward networks; twice `embed_dims` if None.
        dropout: of the attentions and the feed-forward networks.
        with_history: attend to the BEV of the frame before. Without it each frame stands alone, and the frames before
            those that are trained or predicted are not encoded.
        with_cp: recompute the layers in the backward pass to save memory.
        init_cfg: as in mmengine.

    Raises:
        ValueError: cells that are not square, or sizes that do not divide each other.

    Example:
        >>> bev_encoder = dict(type='BEVFormer', x_range=(-30, 30), y_range=(-15, 15), bev_shape=(30, 60),
        ...                    embed_dims=64, num_layers=2, num_levels=1, in_channels=128)
    """

    def __init__(
        self,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        bev_shape: tuple[int, int],
        embed_dims: int = 256,
        num_layers: int = 6,
        num_heads: int = 8,
        num_levels: int = 4,
        num_cams: int = 6,
        in_channels: int | Sequence[int] | None = None,
        z_range: tuple[float, float] = (-1.0, 3.0),
        num_pillar_points: int = 4,
        pillar_base: str = 'road',
        num_temporal_points: int = 4,
        num_spatial_points: int = 8,
        sampling_spread: float = 1.0,
        feedforward_channels: int | None = None,
        dropout: float = 0.1,
        with_history: bool = True,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.stateful = with_history
        if pillar_base not in ('road', 'frame'):
            raise ValueError(f"pillar_base must be 'road' or 'frame', got {pillar_base!r}")
        if num_spatial_points % num_pillar_points:
            raise ValueError(
                f'num_spatial_points {num_spatial_points} must be a multiple of num_pillar_points {num_pillar_points}'
            )
        if embed_dims % 2:
            raise ValueError(f'embed_dims must be even, half for rows and half for columns, got {embed_dims}')
        if z_range[1] - z_range[0] < 1:
            raise ValueError(f'z_range must be at least 1 m high, got {tuple(z_range)}')
        self.grid = BEVGrid.from_shape(x_range, y_range, bev_shape)
        self.z_range = tuple(z_range)
        self.num_pillar_points = num_pillar_points
        self.pillar_base = pillar_base
        self.embed_dims = embed_dims
        self.sampling_spread = sampling_spread

        rows, columns = self.grid.shape
        self.bev_embedding = nn.Embedding(rows * columns, embed_dims)
        self.positional_encoding = LearnedPositionalEncoding(embed_dims // 2, rows, columns)
        self.level_embeds = nn.Parameter(torch.empty(num_levels, embed_dims))
        self.cams_embeds = nn.Parameter(torch.empty(num_cams, embed_dims))
        nn.init.normal_(self.level_embeds, std=0.02)
        nn.init.normal_(self.cams_embeds, std=0.02)
        self.input_projections = input_projections(in_channels, num_levels, embed_dims)
        channels = [layer.in_channels for layer in self.input_projections or ()]
        self.level_channels = channels or [embed_dims] * num_levels
        self.encoder = BEVFormerEncoder(
            num_layers=num_layers,
            embed_dims=embed_dims,
            num_heads=num_heads,
            num_levels=num_levels,
            num_temporal_points=num_temporal_points,
            num_spatial_points=num_spatial_points,
            feedforward_channels=feedforward_channels or 2 * embed_dims,
            dropout=dropout,
            with_cp=with_cp,
        )

    def init_weights(self) -> None:
        super().init_weights()
        if starts_pretrained(self):
            return
        for layer in self.encoder.layers:
            layer.attentions[1].deformable_attention.sampling_offsets.bias.data.mul_(self.sampling_spread)

    def forward(
        self, inputs: FrameInputs, rig: CameraRig, state: BEVFormerState | None = None
    ) -> tuple[Tensor, BEVFormerState | None]:  # (B, C, H, W), state
        """Encode one frame, with the BEV of the frame before as history, see `BEVEncoder`."""
        past = {}
        if state is not None:
            motion = (invert_rigid(state.bev2global) @ rig.bev2global).float()
            past = dict(history=state.bev, current2history=motion, history_valid=inputs.state_valid)
        calibration = (rig.bev2img, inputs.image_size, rig.known_road or rig.road2bev)
        past.update(camera_valid=rig.camera_valid, views=inputs.prepared)
        bev = self.encode(inputs.image_features, *calibration, **past)
        return bev, BEVFormerState(bev, rig.bev2global) if self.stateful else None

    def prepare_window(self, rig: CameraRig, image_size: tuple[int, int] | None) -> list[PillarViews]:
        """Which camera of which frame sees which pillar, see `BEVEncoder`."""
        frames = [rig.frame(t) for t in range(rig.num_frames)]
        bev2img, camera_valid = (torch.cat([getattr(f, name) for f in frames]) for name in ('bev2img', 'camera_valid'))
        views = self._views(bev2img, image_size, Road.cat([frame.road for frame in frames]), camera_valid)
        return views.split(len(frames))

    def encode(
        self,
        image_features: Sequence[Tensor],  # levels of (B, N, C, h, w)
        bev2img: Tensor,  # (B, N, 4, 4)
        image_size: tuple[int, int],
        road: Road | Tensor | None = None,  # (B), or road2bev (B, 4, 4)
        history: Tensor | None = None,  # (B, C, H, W)
        current2history: Tensor | None = None,  # (B, 4, 4)
        history_valid: Tensor | None = None,  # (B,), bool
        camera_valid: Tensor | None = None,  # (B, N), bool
        views: PillarViews | None = None,
    ) -> Tensor:  # (B, C, H, W)
        """Encode the cameras of one frame, with or without an earlier BEV.

        Args:
            image_features: features of all cameras, one tensor for each level.
            bev2img: projections into the images that the features come from.
            image_size: height and width of these images, padding included, pixels.
            road: where the ground is, also for the way of the history if it is a `Road`; a tensor is the pose of the
                road frame in the BEV frame; None says that the road is at z = 0.
            history: an earlier output of this encoder for the same samples.
            current2history: pose of the current BEV frame in the history's; None says that they are the same.
                Cells that come from outside the history take the current queries in its place.
            history_valid: True where a sample has a history; the others behave as without one. All have if None.
            camera_valid: False where a sample lacks a camera, which then counts nowhere. All are there if None.
            views: what `prepare_window` found for this frame; projected here if None.

        Raises:
            ValueError: an argument whose shape contradicts the configuration or the other arguments.
        """
        self._check_inputs(image_features, bev2img, road, history, current2history, history_valid, camera_valid)
        batch = len(bev2img)
        query = self.bev_embedding.weight.expand(batch, -1, -1)
        features, level_shapes = flatten_features(
            image_features, self.input_projections, self.cams_embeds, self.level_embeds
        )
        if history is not None:
            history = align_history(history, current2history, query, self.grid, road)
        output = self.encoder(
            query,
            self._positions(),
            self.grid.shape,
            features,
            level_shapes,
            views or self._views(bev2img, image_size, road, camera_valid),
            history,
            history_valid,
        )
        return output.transpose(1, 2).unflatten(2, self.grid.shape).contiguous()

    def _check_inputs(
        self,
        image_features: Sequence[Tensor],
        bev2img: Tensor,
        road: Road | Tensor | None,
        history: Tensor | None,
        current2history: Tensor | None,
        history_valid: Tensor | None,
        camera_valid: Tensor | None,
    ) -> None:
        num_levels, num_cams = len(self.level_embeds), len(self.cams_embeds)
        if len(image_features) != num_levels:
            raise ValueError(f'image_features must have num_levels = {num_levels} levels, got {len(image_features)}')
        if bev2img.dim() != 4 or bev2img.shape[2:] != (4, 4):
            raise ValueError(f'bev2img must have the shape (B, N, 4, 4), got {tuple(bev2img.shape)}')
        batch, cameras = bev2img.shape[:2]
        if cameras > num_cams:
            raise ValueError(f'num_cams is {num_cams}, got {cameras} cameras; raise num_cams')
        for level, features in enumerate(image_features):
            check_features(features, level, (batch, cameras, self.level_channels[level]))
        check_shape('road2bev', None if road is None else Road.of(road).road2bev, (batch, 4, 4))
        check_shape('current2history', current2history, (batch, 4, 4))
        check_shape('history', history, (batch, self.embed_dims, *self.grid.shape))
        check_flags('history_valid', history_valid, (batch,))
        check_flags('camera_valid', camera_valid, (batch, cameras))

    def _positions(self) -> Tensor:  # (1, Q, C)
        anywhere = self.bev_embedding.weight.new_zeros(1, *self.grid.shape, dtype=torch.bool)
        return self.positional_encoding(anywhere).flatten(2).transpose(1, 2)

    def _views(
        self, bev2img: Tensor, image_size: tuple[int, int], road: Road | Tensor | None, camera_valid: Tensor | None
    ) -> PillarViews:
        base = road if self.pillar_base == 'road' else None
        with torch.autocast(bev2img.device.type, enabled=False):
            points = pillar_points(self.grid, self.z_range, self.num_pillar_points, base, bev2img.device)
            return view_pillars(points, bev2img, image_size, camera_valid)
