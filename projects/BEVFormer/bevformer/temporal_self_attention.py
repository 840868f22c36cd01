"""BEV queries look at the previous BEV and at each other (BEVFormer, arXiv 2203.17270, section 3.4)."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from .deformable_sampling import RowGroups, deformable_sampling, softmax_over_last
from .initialization import check_heads, init_attention, init_sampling_offsets
from .reference_points import cell_fractions

NUM_QUEUES = 2  # the history and the current BEV


class TemporalSelfAttention(BaseModule):
    """Deformable attention of BEV queries to two BEV maps: the history, and the current queries.

    A sample without history attends twice to its current queries.

    Args:
        embed_dims: channels.
        num_heads: attention heads.
        num_points: sampling points of a head in each of the two maps.
        dropout: of the output, before the residual.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        num_heads: int = 8,
        num_points: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_heads(embed_dims, num_heads)
        self.num_heads = num_heads
        self.num_points = num_points
        samples = num_heads * NUM_QUEUES * num_points
        self.sampling_offsets = nn.Linear(NUM_QUEUES * embed_dims, samples * 2)
        self.attention_weights = nn.Linear(NUM_QUEUES * embed_dims, samples)
        self.value_proj = nn.Linear(embed_dims, embed_dims)
        self.output_proj = nn.Linear(embed_dims, embed_dims)
        self.dropout = nn.Dropout(dropout)
        self.init_weights()

    def init_weights(self) -> None:
        """Directional offsets, equal weights, Xavier projections."""
        init_sampling_offsets(self.sampling_offsets, self.num_heads, NUM_QUEUES, self.num_points)
        init_attention(self.attention_weights, self.value_proj, self.output_proj)

    def forward(
        self,
        query: Tensor,  # (B, Q, C)
        bev_pos: Tensor,  # (B or 1, Q, C)
        bev_shape: tuple[int, int],
        history: Tensor | None = None,  # (B, 2, Q, C)
        history_valid: Tensor | None = None,  # (B,), bool
        history_shift: Tensor | None = None,  # (B, 2)
    ) -> Tensor:  # (B, Q, C)
        """The query plus what the two BEV maps show of it.

        Args:
            query: current BEV queries.
            bev_pos: their positional encoding.
            bev_shape: rows and columns of the BEV.
            history: the aligned history and the current BEV that goes with it, for the samples that have one.
            history_valid: True where a sample has a history; all have if None.
            history_shift: (x, y) of the present cell in the history, less that in the current BEV, as fractions
                of the grid: what an alignment by whole pixels has left over. Zero if None.
        """
        batch, num_queries = query.shape[:2]
        shifts = query.new_zeros(batch, NUM_QUEUES, 2, dtype=torch.float32)
        if history is None:
            previous, value = query, query  # one map, both queues sample it
        else:
            if history_shift is not None:
                shifts = torch.stack([history_shift.to(shifts.dtype), shifts[:, 1]], 1)
            if history_valid is not None:
                history = torch.where(history_valid[:, None, None, None], history, query[:, None])
                shifts = torch.where(history_valid[:, None, None], shifts, 0.0)
            previous, value = history[:, 0], history.flatten(1, 2)
        levels = value.shape[1] // num_queries

        context = torch.cat([previous, query + bev_pos], -1)
        size = (batch, num_queries, self.num_heads, NUM_QUEUES, self.num_points)
        scale = 1 / shifts.new_tensor([bev_shape[1], bev_shape[0]])
        centers = cell_fractions(bev_shape, query.device)[:, None] + shifts[:, None]  # (B, Q, queues, 2)
        offsets = self.sampling_offsets(context).view(*size, 2) * scale
        locations = centers[:, :, None, :, None] + offsets
        weights = softmax_over_last(self.attention_weights(context).view(size)) / NUM_QUEUES

        size = (batch * num_queries, self.num_heads, levels, NUM_QUEUES // levels * self.num_points)
        sampled = deformable_sampling(
            self.value_proj(value).unflatten(-1, (self.num_heads, -1)),
            [bev_shape] * levels,
            locations.view(*size, 2),
            weights.reshape(size),
            RowGroups.equal(batch, num_queries, query.device),
        )
        return query + self.dropout(self.output_proj(sampled.view_as(query).to(query.dtype)))
