# Lift, Splat, Shoot on the image features and the BEV grid of configs/synthetic.
lift_splat = dict(
    type='LiftSplat', x_range=(-30.0, 30.0), y_range=(-15.0, 15.0), bev_shape=(30, 60), in_channels=96, embed_dims=64
)
