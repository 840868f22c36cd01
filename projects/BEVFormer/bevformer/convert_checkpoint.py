"""From a checkpoint of the original BEVFormer to weights of a `BEVSegmentor` with our BEVFormer."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ssl_bev.checkpoints import load_checkpoint_file
from ssl_bev.files import write_bytes

# Beginnings of parameter names there and here. What begins otherwise has no place: the detector's decoder and its
# branches, the MLP of the CAN bus.
PREFIXES = {
    'img_backbone.': 'img_backbone.',
    'img_neck.': 'img_neck.',
    'pts_bbox_head.bev_embedding.': 'bev_encoder.bev_embedding.',
    'pts_bbox_head.positional_encoding.': 'bev_encoder.positional_encoding.',
    'pts_bbox_head.transformer.level_embeds': 'bev_encoder.level_embeds',
    'pts_bbox_head.transformer.cams_embeds': 'bev_encoder.cams_embeds',
    'pts_bbox_head.transformer.encoder.': 'bev_encoder.encoder.',
}
CONVERTED_PARTS = ('img_backbone.', 'img_neck.', 'bev_encoder.')


@dataclass(frozen=True)
class Conversion:
    """Converted weights, and what became of the rest.

    Args:
        weights: by our names.
        unused: the original's names that have no place here.
        missing: our names that the original lacks, those of the heads; empty where no model was given.
    """

    weights: dict[str, Tensor]
    unused: list[str]
    missing: list[str]

    def report(self) -> str:
        """Numbers of tensors, by module."""
        parts = (('loaded', self.weights, 2), ('missing', self.missing, 1), ('unused', self.unused, 3))
        return '\n'.join(f'{title:8}{_count(names, depth)}' for title, names, depth in parts)


def convert_state_dict(
    official: Mapping[str, Tensor],
    model: nn.Module | None = None,
) -> Conversion:
    """Rename the parameters of an official state dict, and check them against a model.

    The original always allocates four level embeddings and uses one for each level of its neck; those are kept.

    Args:
        official: parameters by the original's names.
        model: a `BEVSegmentor` that the weights are meant for.

    Raises:
        ValueError: not an official state dict, or, with a model, image backbone, neck or BEV encoder that differ in
            names or shapes.
    """
    weights, unused = {}, []
    for name, tensor in official.items():
        name = name.removeprefix('module.')  # of distributed training
        place = _rename(name)
        if place is None:
            unused.append(name)
        else:
            weights[place] = tensor
    if 'bev_encoder.bev_embedding.weight' not in weights:
        raise ValueError(
            'the checkpoint has no pts_bbox_head.bev_embedding.weight: it is none of the original BEVFormer; '
            f'it begins with {next(iter(official), "nothing")}'
        )
    levels = sum(re.fullmatch(r'img_neck\.fpn_convs\.\d+\.conv\.weight', name) is not None for name in weights)
    embeds = 'bev_encoder.level_embeds'
    if levels and embeds in weights:
        weights[embeds] = weights[embeds][:levels].clone()
    missing = [] if model is None else _missing(model, weights)
    return Conversion(weights, unused, missing)


def convert_checkpoint(source: str | Path, target: str | Path, model: nn.Module | None = None) -> Conversion:
    """Convert a file; the new one is written whole or not at all.

    Args:
        source: official checkpoint; loaded safely, tensors and plain values only.
        target: where to write; `load_from` of a config takes it.
        model: as in `convert_state_dict`.

    Raises:
        FileNotFoundError: no such checkpoint.
        ValueError: as in `convert_state_dict`; or a file that cannot be loaded safely.
    """
    checkpoint = load_checkpoint_file(source, map_location='cpu')
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f'{source} holds no dict of weights but a {type(checkpoint).__name__}')
    try:
        conversion = convert_state_dict(checkpoint.get('state_dict', checkpoint), model)
    except ValueError as error:
        raise ValueError(f'{source}: {error}') from error
    content = io.BytesIO()
    meta = dict(converted_from='BEVFormer', source=Path(source).name)
    torch.save(dict(state_dict=conversion.weights, meta=meta), content)
    write_bytes(Path(target), content.getvalue())
    return conversion


def _rename(name: str) -> str | None:
    # mmcv once kept the offsets of a deformable convolution beside it: conv2_offset.
    name = re.sub(r'(\.conv\d)_offset\.', r'\1.conv_offset.', name)
    for there, here in PREFIXES.items():
        if name.startswith(there):
            return here + name[len(there) :]
    return None


def _missing(model: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    expected = {name: value for name, value in model.state_dict().items() if not name.endswith('num_batches_tracked')}
    missing = [name for name in expected if name not in weights]
    lacking = [name for name in missing if name.startswith(CONVERTED_PARTS)]
    surplus = [name for name in weights if name not in expected and not name.endswith('num_batches_tracked')]
    wrong = [
        f'{name} is {tuple(weights[name].shape)}, the model has {tuple(value.shape)}'
        for name, value in expected.items()
        if name in weights and weights[name].shape != value.shape
    ]
    problems = [
        f'{what} {names[0]}'.strip() + (f' and {len(names) - 1} more' if len(names) > 1 else '')
        for what, names in (('it lacks', lacking), ('the model lacks', surplus), ('', wrong))
        if names
    ]
    if problems:
        raise ValueError(
            f'the checkpoint is of another set-up than the config: {"; ".join(problems)}; '
            'configs/bevformer has those that are published'
        )
    return missing


def _count(names: Iterable[str], depth: int) -> str:
    counts: dict[str, int] = {}
    for name in names:
        module = '.'.join(name.split('.')[:depth])
        counts[module] = counts.get(module, 0) + 1
    return ', '.join(f'{module} ({count})' for module, count in counts.items()) or 'nothing'
