# BEVFormer's recipe, both phases, with Lift, Splat, Shoot as the encoder.
_base_ = '../synthetic/bevformer_ssl_two_phase.py'
custom_imports = dict(imports=[*_base_.custom_imports.imports, 'projects.LiftSplat.lift_splat'])
model = dict(
    bev_encoder=dict(
        _delete_=True,
        type='LiftSplat',
        x_range=_base_.grid.x_range,
        y_range=_base_.grid.y_range,
        bev_shape=(30, 60),
        in_channels=96,
        embed_dims=64,
    ),
)
