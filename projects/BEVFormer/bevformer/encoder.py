"""The BEVFormer encoder: layers of temporal self-attention, spatial cross-attention and feed-forward network.

Shapes: B samples, N cameras, S positions of all feature levels, Q = rows * columns BEV queries, C channels.
"""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .feed_forward import FeedForward
from .reference_points import PillarViews
from .spatial_cross_attention import SpatialCrossAttention
from .temporal_self_attention import TemporalSelfAttention


class BEVFormerLayer(BaseModule):
    """Temporal self-attention, norm, spatial cross-attention, norm, feed-forward network, norm.

    Args:
        embed_dims: channels.
        num_heads: heads of both attentions.
        num_levels: feature levels.
        num_temporal_points: sampling points of a head in each BEV map.
        num_spatial_points: sampling points of a head in each feature level of a camera.
        feedforward_channels: width of the feed-forward network.
        dropout: of both attentions and of the feed-forward network.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        num_heads: int = 8,
        num_levels: int = 4,
        num_temporal_points: int = 4,
        num_spatial_points: int = 8,
        feedforward_channels: int = 512,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.attentions = ModuleList(
            [
                TemporalSelfAttention(embed_dims, num_heads, num_temporal_points, dropout),
                SpatialCrossAttention(embed_dims, num_heads, num_levels, num_spatial_points, dropout),
            ]
        )
        self.ffns = ModuleList([FeedForward(embed_dims, feedforward_channels, dropout)])
        self.norms = ModuleList([nn.LayerNorm(embed_dims) for _ in range(3)])

    def forward(
        self,
        query: Tensor,  # (B, Q, C)
        bev_pos: Tensor,  # (B or 1, Q, C)
        bev_shape: tuple[int, int],
        features: Tensor,  # (B, N, S, C)
        level_shapes: list[tuple[int, int]],
        views: PillarViews,
        history: Tensor | None = None,  # (B, Q, C)
        current: Tensor | None = None,  # (B, Q, C)
        history_valid: Tensor | None = None,  # (B,), bool
        history_shift: Tensor | None = None,  # (B, 2)
    ) -> Tensor:  # (B, Q, C)
        """Refine the queries once; see the attentions for the arguments."""
        temporal, spatial = self.attentions
        query = self.norms[0](temporal(query, bev_pos, bev_shape, history, current, history_valid, history_shift))
        query = self.norms[1](spatial(query, features, level_shapes, views))
        return self.norms[2](self.ffns[0](query))


class BEVFormerEncoder(BaseModule):
    """A stack of BEVFormer layers; parameter names and mathematics of the original.

    Args:
        num_layers: number of layers.
        with_cp: recompute each layer in the backward pass instead of keeping its activations.
        layer: arguments of each `BEVFormerLayer`.
    """

    def __init__(self, num_layers: int = 6, with_cp: bool = False, **layer: Any) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.layers = ModuleList([BEVFormerLayer(**layer) for _ in range(num_layers)])

    def forward(
        self,
        bev_query: Tensor,  # (B, Q, C)
        bev_pos: Tensor,  # (B or 1, Q, C)
        bev_shape: tuple[int, int],
        features: Tensor,  # (B, N, S, C)
        level_shapes: list[tuple[int, int]],
        views: PillarViews,
        history: Tensor | None = None,  # (B, Q, C)
        history_valid: Tensor | None = None,  # (B,), bool
        history_shift: Tensor | None = None,  # (B, 2)
    ) -> Tensor:  # (B, Q, C)
        """Turn BEV queries into BEV features.

        Args:
            bev_query: initial queries, row-major.
            bev_pos: their positional encoding, used by the temporal attention only.
            bev_shape: rows and columns of the BEV.
            features: image features, levels one after another, row-major.
            level_shapes: (height, width) of each level.
            views: which camera sees which query, and where; see `view_pillars`.
            history: an earlier output, aligned with the current frame.
            history_valid: True where a sample has a history; the others behave as without one. All have if None.
            history_shift: (x, y) fractions of the grid; see `TemporalSelfAttention`.

        Raises:
            ValueError: features that contradict `level_shapes` or `views`.
        """
        if history is not None:
            history = history.to(bev_query.dtype)
        query = bev_query
        for layer in self.layers:
            inputs = (query, bev_pos, bev_shape, features, level_shapes, views)
            # Every layer looks at the *initial* queries beside the history, as the published weights learnt it.
            inputs = (*inputs, history, bev_query, history_valid, history_shift)
            if self.with_cp and query.requires_grad:
                query = checkpoint(layer, *inputs, use_reentrant=False)
            else:
                query = layer(*inputs)
        return query
