# BEVFormer's recipe, phase 1, with Simple-BEV as the encoder.
_base_ = '../synthetic/bevformer_ssl_pretrain.py'
custom_imports = dict(imports=[*_base_.custom_imports.imports, 'projects.SimpleBEV.simple_bev'])
model = dict(
    bev_encoder=dict(
        _delete_=True,
        type='SimpleBEV',
        x_range=_base_.grid.x_range,
        y_range=_base_.grid.y_range,
        bev_shape=(30, 60),
        in_channels=96,
        embed_dims=64,
        # What is to be seen lies on the road: one voxel there.
        z_range=(-0.5, 0.5),
        num_heights=1,
    ),
)
