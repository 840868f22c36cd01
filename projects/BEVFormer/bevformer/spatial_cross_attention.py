"""BEV queries look into the cameras that see their pillar (BEVFormer, arXiv 2203.17270, section 3.3)."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ssl_bev.geometry import constant

from .deformable_sampling import deformable_sampling, softmax_over_last
from .feed_forward import ResidualDropout
from .initialization import check_heads, init_attention, init_sampling_offsets
from .reference_points import PillarViews


class PillarDeformableAttention(BaseModule):
    """The parameters of deformable attention around the projected points of a pillar.

    Args:
        embed_dims: channels.
        num_heads: attention heads.
        num_levels: feature levels.
        num_points: sampling points of a head in a level, shared out evenly among the points of the pillar.
    """

    def __init__(self, embed_dims: int, num_heads: int, num_levels: int, num_points: int) -> None:
        super().__init__()
        check_heads(embed_dims, num_heads)
        self.num_heads = num_heads
        self.num_levels = num_levels
        self.num_points = num_points
        samples = num_heads * num_levels * num_points
        self.sampling_offsets = nn.Linear(embed_dims, samples * 2)
        self.attention_weights = nn.Linear(embed_dims, samples)
        self.value_proj = nn.Linear(embed_dims, embed_dims)
        self.init_weights()

    def init_weights(self) -> None:
        """Directional offsets, equal weights, Xavier projection."""
        init_sampling_offsets(self.sampling_offsets, self.num_heads, self.num_levels, self.num_points)
        init_attention(self.attention_weights, self.value_proj)

    def forward(
        self,
        query: Tensor,  # (B, Q, C)
        features: Tensor,  # (B, N, S, C)
        level_shapes: list[tuple[int, int]],
        views: PillarViews,
    ) -> Tensor:  # (V, C)
        """What each (camera, query) pair of `views` samples, divided by the query's number of views.

        Raises:
            ValueError: the pillar's points do not divide the sampling points.
        """
        heights = views.references.shape[1]
        if self.num_points % heights:
            raise ValueError(f'num_points {self.num_points} must be a multiple of the {heights} pillar heights')
        size = (-1, self.num_heads, self.num_levels)
        # Offsets and weights depend on the query alone: one linear layer for all the cameras that see it.
        scale = 1 / constant(tuple((width, height) for height, width in level_shapes), views.references)
        offsets = self.sampling_offsets(query).view(*size, self.num_points, 2)
        weights = self.attention_weights(query).view(*size[:2], self.num_levels * self.num_points)
        weights = softmax_over_last(weights) / views.num_views.reshape(-1, 1, 1)

        offsets = offsets.index_select(0, views.query).unflatten(3, (-1, heights))
        locations = torch.addcmul(views.references[:, None, None, None], offsets, scale[:, None, None]).flatten(3, 4)
        weights = weights.index_select(0, views.query).view(*size, self.num_points)
        value = self.value_proj(features).flatten(0, 1).unflatten(-1, (self.num_heads, -1))
        return deformable_sampling(value, level_shapes, locations, weights, views.cameras)


class SpatialCrossAttention(BaseModule):
    """Deformable attention into the images, averaged over the cameras that see a query's pillar.

    A query that no camera sees keeps its value, apart from the bias of the output projection.

    Args:
        embed_dims: channels.
        num_heads: attention heads.
        num_levels: feature levels.
        num_points: sampling points of a head in a level; a multiple of the pillar's points.
        dropout: of the output, before the residual.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        num_heads: int = 8,
        num_levels: int = 4,
        num_points: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.deformable_attention = PillarDeformableAttention(embed_dims, num_heads, num_levels, num_points)
        self.output_proj = nn.Linear(embed_dims, embed_dims)
        self.dropout = ResidualDropout(dropout)
        self.init_weights()

    def init_weights(self) -> None:
        """Xavier output projection; the deformable attention as its own."""
        self.deformable_attention.init_weights()
        nn.init.xavier_uniform_(self.output_proj.weight)
        nn.init.zeros_(self.output_proj.bias)

    def forward(
        self,
        query: Tensor,  # (B, Q, C)
        features: Tensor,  # (B, N, S, C)
        level_shapes: list[tuple[int, int]],
        views: PillarViews,
    ) -> Tensor:  # (B, Q, C)
        """The query plus what the cameras show of it.

        Args:
            query: BEV queries.
            features: image features, levels one after another, row-major.
            level_shapes: (height, width) of each level.
            views: which camera sees which query, and where.
        """
        sampled = self.deformable_attention(query, features, level_shapes, views)
        total = sampled.new_zeros(query.shape[0] * query.shape[1], query.shape[2])
        # index_add would do the same, but keeps what it adds for a backward pass that needs only the index.
        total = total.scatter_add_(0, views.query[:, None].expand_as(sampled), sampled)
        return self.dropout(self.output_proj(total.view_as(query).to(query.dtype)), query)
