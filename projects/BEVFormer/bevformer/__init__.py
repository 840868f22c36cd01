from .bevformer import BEVFormer
from .encoder import BEVFormerEncoder, BEVFormerLayer
from .spatial_cross_attention import SpatialCrossAttention
from .temporal_self_attention import TemporalSelfAttention

__all__ = [
    'BEVFormer',
    'BEVFormerEncoder',
    'BEVFormerLayer',
    'SpatialCrossAttention',
    'TemporalSelfAttention',
]
