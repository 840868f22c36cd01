# Like pandaset_ssl.py, with the labels of the frames one and two seconds ago, which show ground that no camera sees now.
# Only the last frame of a window is encoded.
_base_ = './pandaset_ssl.py'
train_dataloader = dict(dataset=dict(dataset=dict(num_frames=3, frame_stride=5)))
custom_hooks = _base_.custom_hooks
custom_hooks[-1].phases = [dict(name='pretrain', epochs=2, losses=dict(reprojection=1.0, perspective=0.5))]
model = dict(
    bev_encoder=dict(with_history=False), objectives=dict(reprojection=dict(num_frames=1, neighbour_weight=0.5))
)
