# Both phases of BEVFormer's recipe on the synthetic world, with the encoder of encoder.py.
import sys

_base_ = '../../configs/synthetic/bevformer_ssl_two_phase.py'
sys.path.insert(0, '{{ fileDirname }}/..')  # where the folder own_encoder lies
custom_imports = dict(imports=[*_base_.custom_imports.imports, 'own_encoder.encoder'])
model = dict(
    bev_encoder=dict(
        _delete_=True,
        type='RoadSampler',
        grid=dict(_base_.grid, cell_size=1.0),
        in_channels=96,  # of the neck
        out_channels=64,  # of the segmentation head
    ),
)
