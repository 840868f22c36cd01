# Simple-BEV on the image features and the BEV grid of configs/synthetic.
simple_bev = dict(
    type='SimpleBEV',
    x_range=(-30.0, 30.0),
    y_range=(-15.0, 15.0),
    bev_shape=(30, 60),
    in_channels=96,
    embed_dims=64,
    # All classes are on the road: one voxel there.
    z_range=(-0.5, 0.5),
    num_heights=1,
)
