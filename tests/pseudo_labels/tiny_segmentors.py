"""Configs and random weights of tiny models of mmsegmentation."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine import Config

CLASSES = ('Road', 'Lane Marking - General', 'Sky')
_NORMALISE = dict(
    type='SegDataPreProcessor', mean=[120.0, 110.0, 100.0], std=[60.0, 58.0, 57.0], bgr_to_rgb=True, size=(32, 32)
)
_BACKBONE = dict(
    type='ResNet', depth=18, base_channels=8, out_indices=(0, 1, 2, 3), norm_cfg=dict(type='SyncBN'), style='pytorch'
)
_ATTENTION = dict(embed_dims=32, num_heads=2, batch_first=True)
_FFN = dict(embed_dims=32, feedforward_channels=16)
_DECODER = dict(
    return_intermediate=True,
    num_layers=2,
    layer_cfg=dict(self_attn_cfg=_ATTENTION, cross_attn_cfg=_ATTENTION, ffn_cfg=_FFN),
)
_QUERIES = dict(
    in_channels=[8, 16, 32, 64],
    feat_channels=32,
    out_channels=32,
    num_classes=len(CLASSES),
    num_queries=5,
    enforce_decoder_input_project=False,
    positional_encoding=dict(num_feats=16, normalize=True),
    transformer_decoder=_DECODER,
    loss_cls=dict(type='mmdet.CrossEntropyLoss', class_weight=[1.0] * (len(CLASSES) + 1)),
    loss_mask=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True),
    loss_dice=dict(type='mmdet.DiceLoss'),
)
_MASK2FORMER = dict(
    type='Mask2FormerHead',
    strides=[4, 8, 16, 32],
    num_transformer_feat_level=3,
    pixel_decoder=dict(
        type='mmdet.MSDeformAttnPixelDecoder',
        num_outs=3,
        norm_cfg=dict(type='GN', num_groups=8),
        encoder=dict(
            num_layers=1,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=32, num_heads=2, num_levels=3, batch_first=True), ffn_cfg=_FFN
            ),
        ),
        positional_encoding=dict(num_feats=16, normalize=True),
    ),
    **_QUERIES,
)
_MASKFORMER = dict(
    type='MaskFormerHead',
    pixel_decoder=dict(type='mmdet.PixelDecoder', norm_cfg=dict(type='GN', num_groups=8)),
    **_QUERIES,
)
_FCN = dict(
    type='FCNHead', in_channels=16, in_index=1, channels=8, num_convs=1, num_classes=3, norm_cfg=dict(type='BN')
)
HEADS = {
    'mask2former': _MASK2FORMER,
    'maskformer': _MASKFORMER,
    'fcn': _FCN,
    'binary': dict(_FCN, num_classes=2, out_channels=1, threshold=0.5),
}


def write_config(folder: Path, head: str, name: str = '', **changes: object) -> Path:
    """A config of a model with this head."""
    config = dict(
        default_scope='mmseg',
        model=dict(
            type='EncoderDecoder',
            data_preprocessor=dict(_NORMALISE, test_cfg=dict(size_divisor=32)),
            backbone=_BACKBONE,
            decode_head=HEADS[head],
            test_cfg=dict(mode='whole'),
        ),
        test_pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')],
    )
    path = folder / f'{name or head}.py'
    Config(config | changes).dump(path)
    return path


def write_checkpoint(config: Path, meta: dict) -> Path:
    """Random weights under which classes and masks differ from pixel to pixel and from query to query."""
    from mmseg.apis import init_model

    torch.manual_seed(0)
    model = init_model(str(config), None, device='cpu')
    head = model.decode_head
    has_queries = hasattr(head, 'query_embed')
    if has_queries and not hasattr(head, 'query_feat'):
        for name, weight in head.named_parameters():
            if name.startswith('query_embed') or name.endswith('in_proj_weight'):
                weight.data *= 3  # MaskFormer's queries start equal and look at the same
    for layer in [head.mask_embed[-1], head.cls_embed] if has_queries else [head.conv_seg]:
        _spread(model, layer)
    path = config.with_suffix('.pth')
    torch.save(dict(meta=meta, state_dict=model.state_dict()), path)
    return path


@torch.no_grad()
def _spread(model: torch.nn.Module, layer: torch.nn.Module) -> None:
    """Give the layer's output mean 0 and deviation 3 on a random image."""
    outputs = []
    hook = layer.register_forward_hook(lambda module, args, output: outputs.append(output))
    model.inference(torch.randn(1, 3, 64, 96), [dict(img_shape=(64, 96), ori_shape=(64, 96))])
    hook.remove()
    output = outputs[-1]
    if output.ndim == 4:  # (B, C, h, w) of a convolution, (layers, B, Q, C) of MaskFormer
        output = output.movedim(1, -1) if isinstance(layer, torch.nn.Conv2d) else output[-1]
    mean = output.flatten(0, -2).mean(0)
    factor = 3 / (output - mean).std()
    layer.bias.copy_((layer.bias - mean) * factor)
    layer.weight.mul_(factor)
