from ssl_bev.checkpoints import load_checkpoint_file

from .checkpoint_shape_hook import CheckpointShapeHook, check_shapes, load_weights
from .config_files import load_config
from .exact_resume_hook import ExactResumeHook
from .mixed_source_sampler import MixedSourceSampler
from .phases import Phase, PhasePlan
from .scene_sampler import SceneContiguousSampler
from .seeding import derive_seed, kept_random_state, seed_everything, seed_worker_by_epoch
from .two_phase_hook import TwoPhaseHook

__all__ = [
    'CheckpointShapeHook',
    'ExactResumeHook',
    'MixedSourceSampler',
    'Phase',
    'PhasePlan',
    'SceneContiguousSampler',
    'TwoPhaseHook',
    'check_shapes',
    'derive_seed',
    'kept_random_state',
    'load_checkpoint_file',
    'load_config',
    'load_weights',
    'seed_everything',
    'seed_worker_by_epoch',
]
