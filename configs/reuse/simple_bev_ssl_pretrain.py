# Phase 1 of BEVFormer's recipe, with Simple-BEV as the encoder.
_base_ = ['../synthetic/bevformer_ssl_pretrain.py', './_base_/simple_bev.py']
custom_imports = dict(imports=[*_base_.custom_imports.imports, 'projects.SimpleBEV.simple_bev'])
model = dict(bev_encoder=dict(_delete_=True, **_base_.pop('simple_bev')))
