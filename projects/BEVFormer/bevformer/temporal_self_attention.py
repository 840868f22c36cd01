"""BEV queries look at the previous BEV and at each other (BEVFormer, arXiv 2203.17270, section 3.4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ssl_bev.geometry import constant

from .deformable_sampling import RowGroups, deformable_sampling, softmax_over_last
from .feed_forward import ResidualDropout
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
        self.dropout = ResidualDropout(dropout)
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
        history: Tensor | None = None,  # (B, Q, C)
        current: Tensor | None = None,  # (B, Q, C)
        history_valid: Tensor | None = None,  # (B,), bool
        history_shift: Tensor | None = None,  # (B, 2)
    ) -> Tensor:  # (B, Q, C)
        """The query plus what the two BEV maps show of it.

        Args:
            query: current BEV queries.
            bev_pos: their positional encoding.
            bev_shape: rows and columns of the BEV.
            history: the aligned history.
            current: the BEV map that goes with a history; the queries themselves if None.
            history_valid: True where a sample has a history; all have if None.
            history_shift: (x, y) of the present cell in the history, less that in the current BEV, as fractions
                of the grid: what an alignment by whole pixels has left over. Zero if None.
        """
        previous = query if history is None else history
        current = query if history is None or current is None else current
        centers = cell_fractions(bev_shape, query.device)
        shift = centers.new_zeros(1, 2) if history is None or history_shift is None else history_shift
        if history is not None and history_valid is not None:
            valid = history_valid[:, None, None]
            previous, current = torch.where(valid, previous, query), torch.where(valid, current, query)
            shift = torch.where(valid[:, 0], shift, 0.0)

        positioned = query + bev_pos
        size = (*query.shape[:2], self.num_heads, NUM_QUEUES, self.num_points)
        offsets = _linear_of_pair(self.sampling_offsets, previous, positioned).view(*size, 2)
        weights = softmax_over_last(_linear_of_pair(self.attention_weights, previous, positioned).view(size))
        weights = weights / NUM_QUEUES

        # The two maps are sampled as two levels of one.
        scale = 1 / constant((bev_shape[1], bev_shape[0]), centers)
        shifts = torch.stack([shift, torch.zeros_like(shift)], 1)
        references = centers[None, :, None, None, None] + shifts[:, None, None, :, None]
        value = self._value(previous)
        value = torch.cat([value, value if current is previous else self._value(current)], 1)
        sampled = deformable_sampling(
            value,
            [bev_shape] * NUM_QUEUES,
            torch.addcmul(references, offsets, scale).flatten(0, 1),
            weights.flatten(0, 1),
            RowGroups.equal(*query.shape[:2], query.device),
        )
        return self.dropout(self.output_proj(sampled.view_as(query).to(query.dtype)), query)

    def _value(self, bev: Tensor) -> Tensor:  # (B, Q, M, D)
        return self.value_proj(bev).unflatten(-1, (self.num_heads, -1))


def _linear_of_pair(linear: nn.Linear, first: Tensor, second: Tensor) -> Tensor:
    """The layer applied to both, one after the other in the channels, without a copy of them side by side."""
    weights = linear.weight.split([first.shape[-1], second.shape[-1]], 1)
    return F.linear(first, weights[0]) + F.linear(second, weights[1], linear.bias)
