# Phase 1 of BEVFormer's recipe, with Lift, Splat, Shoot as the encoder.
_base_ = ['../synthetic/bevformer_ssl_pretrain.py', './_base_/lift_splat.py']
custom_imports = dict(imports=[*_base_.custom_imports.imports, 'projects.LiftSplat.lift_splat'])
model = dict(bev_encoder=dict(_delete_=True, **_base_.pop('lift_splat')))
