default_scope = 'mmdet3d'
custom_imports = dict(imports=['ssl_bev.components', 'projects.BEVFormer.bevformer'], allow_failed_imports=False)

env_cfg = dict(
    cudnn_benchmark=True,  # images have one size
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
randomness = dict(seed=0)
log_level = 'INFO'
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='SafeCheckpointHook', interval=1, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    preemption=dict(type='PreemptionHook'),
    non_finite=dict(type='NonFiniteHook', action='stop'),
    read_losses=dict(type='ReadLossesHook'),
)
custom_hooks = [dict(type='CheckpointShapeHook'), dict(type='CameraOrderHook'), dict(type='ExactResumeHook')]

load_from = None
resume = False
