"""What ours is compared with: BEVFormer's encoder as its authors published it, rewritten from the paper to be readable.

Its ways are kept: two BEV maps are stacked into one batch; in every layer each camera's visible queries are listed and
copied, camera by camera and sample by sample, into a batch padded to the fullest camera; deformable attention is
mmcv's. So are its limits: the visible queries are those of the first sample, so it is right at batch 1 only. Parameter
names are the original's, so that weights fit here as well as in `projects/BEVFormer`.
"""

from __future__ import annotations

import torch
from mmcv.cnn.bricks.transformer import FFN
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch
from torch import Tensor, nn

_MIN_DEPTH = 0.1


class OriginalTemporalSelfAttention(nn.Module):
    def __init__(self, embed_dims: int, num_heads: int, num_points: int, dropout: float) -> None:
        super().__init__()
        self.num_heads, self.num_points = num_heads, num_points
        samples = num_heads * 2 * num_points
        self.sampling_offsets = nn.Linear(2 * embed_dims, samples * 2)
        self.attention_weights = nn.Linear(2 * embed_dims, samples)
        self.value_proj = nn.Linear(embed_dims, embed_dims)
        self.output_proj = nn.Linear(embed_dims, embed_dims)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        query: Tensor,  # (B, Q, C)
        bev_pos: Tensor,  # (B, Q, C)
        bev_shape: Tensor,  # (1, 2)
        references: Tensor,  # (2 B, Q, 1, 2)
        history: Tensor | None,  # (2 B, Q, C)
    ) -> Tensor:  # (B, Q, C)
        batch, num_queries, channels = query.shape
        value = torch.stack([query, query], 1).flatten(0, 1) if history is None else history
        context = torch.cat([value[:batch], query + bev_pos], -1)
        value = self.value_proj(value).view(2 * batch, num_queries, self.num_heads, -1)

        size = (batch, num_queries, self.num_heads, 2, 1, self.num_points)
        offsets = self.sampling_offsets(context).view(*size, 2)
        weights = self.attention_weights(context).view(*size[:4], -1).softmax(-1).view(size)
        offsets = offsets.permute(0, 3, 1, 2, 4, 5, 6).flatten(0, 1)
        weights = weights.permute(0, 3, 1, 2, 4, 5).flatten(0, 1).contiguous()
        locations = references[:, :, None, :, None] + offsets / bev_shape.flip(1)[:, None]

        sampled = multi_scale_deformable_attn_pytorch(value, bev_shape, locations, weights)
        sampled = sampled.permute(1, 2, 0).view(num_queries, channels, batch, 2).mean(-1).permute(2, 0, 1)
        return self.dropout(self.output_proj(sampled)) + query


class OriginalDeformableAttention(nn.Module):
    def __init__(self, embed_dims: int, num_heads: int, num_levels: int, num_points: int) -> None:
        super().__init__()
        self.num_heads, self.num_levels, self.num_points = num_heads, num_levels, num_points
        samples = num_heads * num_levels * num_points
        self.sampling_offsets = nn.Linear(embed_dims, samples * 2)
        self.attention_weights = nn.Linear(embed_dims, samples)
        self.value_proj = nn.Linear(embed_dims, embed_dims)

    def forward(
        self,
        query: Tensor,  # (B * N, longest, C)
        features: Tensor,  # (B * N, S, C)
        level_shapes: Tensor,  # (L, 2)
        references: Tensor,  # (B * N, longest, D, 2)
    ) -> Tensor:  # (B * N, longest, C)
        size = (*query.shape[:2], self.num_heads, self.num_levels)
        value = self.value_proj(features).unflatten(-1, (self.num_heads, -1))
        offsets = self.sampling_offsets(query).view(*size, self.num_points, 2)
        weights = self.attention_weights(query).view(*size[:3], -1).softmax(-1).view(*size, self.num_points)
        offsets = offsets / level_shapes.flip(1)[:, None]
        offsets = offsets.unflatten(4, (-1, references.shape[2]))
        locations = (references[:, :, None, None, None] + offsets).flatten(4, 5)
        return multi_scale_deformable_attn_pytorch(value, level_shapes, locations, weights)


class OriginalSpatialCrossAttention(nn.Module):
    def __init__(self, embed_dims: int, num_heads: int, num_levels: int, num_points: int, dropout: float) -> None:
        super().__init__()
        self.deformable_attention = OriginalDeformableAttention(embed_dims, num_heads, num_levels, num_points)
        self.output_proj = nn.Linear(embed_dims, embed_dims)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        query: Tensor,  # (B, Q, C)
        features: Tensor,  # (B, N, S, C)
        level_shapes: Tensor,  # (L, 2)
        references: Tensor,  # (N, B, Q, D, 2)
        seen: Tensor,  # (N, B, Q, D), bool
    ) -> Tensor:  # (B, Q, C)
        (batch, _, channels), num_cameras = query.shape, len(seen)
        indices = [camera[0].sum(-1).nonzero().squeeze(-1) for camera in seen]
        longest = max(len(index) for index in indices)
        padded_query = query.new_zeros(batch, num_cameras, longest, channels)
        padded_references = references.new_zeros(batch, num_cameras, longest, *references.shape[3:])
        for sample in range(batch):
            for camera, index in enumerate(indices):
                padded_query[sample, camera, : len(index)] = query[sample, index]
                padded_references[sample, camera, : len(index)] = references[camera, sample, index]

        sampled = self.deformable_attention(
            padded_query.flatten(0, 1), features.flatten(0, 1), level_shapes, padded_references.flatten(0, 1)
        ).unflatten(0, (batch, num_cameras))

        slots = torch.zeros_like(query)
        for sample in range(batch):
            for camera, index in enumerate(indices):
                slots[sample, index] += sampled[sample, camera, : len(index)]
        count = (seen.sum(-1) > 0).permute(1, 2, 0).sum(-1).clamp(min=1)
        return self.dropout(self.output_proj(slots / count[..., None])) + query


class OriginalLayer(nn.Module):
    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        num_levels: int,
        num_temporal_points: int,
        num_spatial_points: int,
        feedforward_channels: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(
            [
                OriginalTemporalSelfAttention(embed_dims, num_heads, num_temporal_points, dropout),
                OriginalSpatialCrossAttention(embed_dims, num_heads, num_levels, num_spatial_points, dropout),
            ]
        )
        self.ffns = nn.ModuleList([FFN(embed_dims, feedforward_channels, ffn_drop=dropout)])
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dims) for _ in range(3)])

    def forward(
        self,
        query: Tensor,
        bev_pos: Tensor,
        bev_shape: Tensor,
        cells: Tensor,
        history: Tensor | None,
        features: Tensor,
        level_shapes: Tensor,
        references: Tensor,
        seen: Tensor,
    ) -> Tensor:
        query = self.norms[0](self.attentions[0](query, bev_pos, bev_shape, cells, history))
        query = self.norms[1](self.attentions[1](query, features, level_shapes, references, seen))
        return self.norms[2](self.ffns[0](query))


class OriginalEncoder(nn.Module):
    """The same arguments as `BEVFormerEncoder`; the history is taken as aligned."""

    def __init__(
        self,
        num_layers: int = 6,
        embed_dims: int = 256,
        num_heads: int = 8,
        num_levels: int = 4,
        num_temporal_points: int = 4,
        num_spatial_points: int = 8,
        feedforward_channels: int = 512,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        points = (num_temporal_points, num_spatial_points)
        options = (embed_dims, num_heads, num_levels, *points, feedforward_channels, dropout)
        self.layers = nn.ModuleList([OriginalLayer(*options) for _ in range(num_layers)])

    def forward(
        self,
        bev_query: Tensor,  # (B, Q, C)
        bev_pos: Tensor,  # (B, Q, C)
        bev_shape: tuple[int, int],
        features: Tensor,  # (B, N, S, C)
        level_shapes: list[tuple[int, int]],
        points: Tensor,  # (1, Q, D, 3), metres
        bev2img: Tensor,  # (B, N, 4, 4)
        image_size: tuple[int, int],
        history: Tensor | None = None,  # (B, Q, C)
    ) -> Tensor:  # (B, Q, C)
        batch = len(bev_query)
        references, seen = _project(points.expand(batch, -1, -1, -1), bev2img, image_size)
        cells = _cell_centers(bev_shape, bev_query).expand(2 * batch, -1, -1, -1)
        if history is not None:
            history = torch.stack([history, bev_query], 1).flatten(0, 1)
        shapes = torch.tensor([bev_shape]), torch.tensor(level_shapes)
        query = bev_query
        for layer in self.layers:
            query = layer(query, bev_pos, shapes[0], cells, history, features, shapes[1], references, seen)
        return query


@torch.no_grad()
def _project(
    points: Tensor,  # (B, Q, D, 3)
    bev2img: Tensor,  # (B, N, 4, 4)
    image_size: tuple[int, int],
) -> tuple[Tensor, Tensor]:  # (N, B, Q, D, 2), (N, B, Q, D)
    """One 4x4 product for each camera, query and height."""
    num_queries, heights = points.shape[1:3]
    num_cameras = bev2img.shape[1]
    homogeneous = torch.cat([points, torch.ones_like(points[..., :1])], -1).permute(2, 0, 1, 3)
    homogeneous = homogeneous[:, :, None, :, :, None].repeat(1, 1, num_cameras, 1, 1, 1)
    matrices = bev2img[None, :, :, None].repeat(heights, 1, 1, num_queries, 1, 1)
    projected = (matrices @ homogeneous).squeeze(-1)  # (D, B, N, Q, 4)
    depth = projected[..., 2:3]
    pixels = projected[..., :2] / torch.maximum(depth, torch.full_like(depth, _MIN_DEPTH))
    references = pixels / pixels.new_tensor([image_size[1], image_size[0]])
    seen = (depth[..., 0] > _MIN_DEPTH) & ((references >= 0) & (references <= 1)).all(-1)
    return references.permute(2, 1, 3, 0, 4), seen.permute(2, 1, 3, 0)


def _cell_centers(bev_shape: tuple[int, int], like: Tensor) -> Tensor:  # (1, Q, 1, 2)
    rows, columns = ((torch.arange(n, dtype=like.dtype) + 0.5) / n for n in bev_shape)
    return torch.stack(torch.meshgrid(columns, rows, indexing='xy'), -1).view(1, -1, 1, 2)
