from .bev_visualization_hook import BEVVisualizationHook
from .bf16_optim_wrapper import BF16OptimWrapper
from .camera_order_hook import CameraOrderHook
from .channels_last import ChannelsLastHook
from .checkpoint_shape_hook import CheckpointShapeHook, check_shapes, load_weights
from .config_files import building, load_config
from .exact_resume_hook import ExactResumeHook
from .fixed_length_sampler import FixedLengthSampler
from .fused_adamw import FusedAdamW
from .non_finite_hook import NonFiniteHook
from .online import OnlineState, predict_online
from .online_loops import OnlineTestLoop, OnlineValLoop
from .phases import Phase, PhasePlan
from .preemption_hook import PreemptionHook
from .read_losses_hook import ReadLossesHook
from .safe_checkpoint_hook import SafeCheckpointHook
from .scene_sampler import SceneContiguousSampler
from .seeding import derive_seed, seed_everything
from .two_phase_hook import TwoPhaseHook

__all__ = [
    'BEVVisualizationHook',
    'BF16OptimWrapper',
    'CameraOrderHook',
    'ChannelsLastHook',
    'CheckpointShapeHook',
    'ExactResumeHook',
    'FixedLengthSampler',
    'FusedAdamW',
    'NonFiniteHook',
    'OnlineState',
    'OnlineTestLoop',
    'OnlineValLoop',
    'Phase',
    'PhasePlan',
    'PreemptionHook',
    'ReadLossesHook',
    'SafeCheckpointHook',
    'SceneContiguousSampler',
    'TwoPhaseHook',
    'building',
    'check_shapes',
    'derive_seed',
    'load_config',
    'load_weights',
    'predict_online',
    'seed_everything',
]
