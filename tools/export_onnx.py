"""Export a trained model to ONNX: images and calibration in, BEV probabilities out; standard operators, opset 16.

    python tools/export_onnx.py CONFIG CHECKPOINT --out model.onnx                # one frame, no history
    python tools/export_onnx.py CONFIG CHECKPOINT --out model.onnx --history      # history in and out
    python tools/export_onnx.py CONFIG CHECKPOINT --out model.onnx --check        # compare with torch, and time both

Inputs: `images` (B, N, 3, H, W) float32, RGB or BGR, normalised and padded as by the preprocessor of the config;
`bev2img` (B, N, 4, 4), the projection into these images; `road2bev` (B, 4, 4). With --history also `history`
(B, C, h, w), `current2history` (B, 4, 4), the pose of this BEV frame in that of the history, and `history_valid` (B,)
bool, False at the start of a scene. Outputs: `probability` (B, K, h', w'), and with --history `bev`, which is the next
frame's `history`. Batch, cameras and sizes are those of the export.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch
from mmdet3d.utils import register_all_modules
from torch import Tensor, nn

from projects.BEVFormer.bevformer import bevformer as bevformer_module
from projects.BEVFormer.bevformer import spatial_cross_attention, temporal_self_attention
from projects.BEVFormer.bevformer.deformable_sampling import RowGroups
from projects.BEVFormer.bevformer.reference_points import PillarViews
from ssl_bev.apis import image_size, init_model, random_batch
from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.engine import load_config
from ssl_bev.files import replacing
from ssl_bev.geometry import constant, project_points, translation
from ssl_bev.geometry.projection import MIN_DEPTH
from ssl_bev.models import BEVSegmentor

OPSET = 16  # the first with GridSample


class ExportedFrame(nn.Module):
    """A BEVFormer segmentor as a function of tensors."""

    def __init__(self, model: BEVSegmentor, image_size: tuple[int, int], history: bool) -> None:
        super().__init__()
        self.model, self.image_size, self.history = model, image_size, history

    def forward(
        self,
        images: Tensor,  # (B, N, 3, H, W)
        bev2img: Tensor,  # (B, N, 4, 4)
        road2bev: Tensor,  # (B, 4, 4)
        history: Tensor | None = None,  # (B, C, h, w)
        current2history: Tensor | None = None,  # (B, 4, 4)
        history_valid: Tensor | None = None,  # (B,), bool
    ) -> tuple[Tensor, ...]:
        features = self.model.extract_features(images)
        past = (history, current2history, history_valid)
        bev = self.model.bev_encoder.encode(features, bev2img, self.image_size, road2bev, *past)
        probability, _ = self.model.seg_head.predict(self.model.seg_head(bev))
        return (probability, bev) if self.history else (probability,)


def export(model: BEVSegmentor, inputs: dict[str, Tensor], path: Path, history: bool) -> None:
    """Write the model for inputs of these sizes, completely or not at all; the folder is created if missing."""
    frame = ExportedFrame(model, tuple(inputs['images'].shape[-2:]), history).eval()
    outputs = ['probability', *(['bev'] if history else [])]
    with replacing(path) as temporary, torch.no_grad(), _standard_operators(), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # sizes become constants, as intended
        torch.onnx.export(
            frame, tuple(inputs.values()), str(temporary), input_names=list(inputs), output_names=outputs,
            opset_version=OPSET, dynamo=False,
        )  # fmt: skip


def example_inputs(model: BEVSegmentor, image_size: tuple[int, int], history: bool) -> dict[str, Tensor]:
    """Random images of a ring of cameras, and a random history one metre behind."""
    data = model.data_preprocessor(random_batch(model, image_size), False)
    sample = data['data_samples'][0]
    inputs = dict(images=data['inputs']['img'][:, 0], bev2img=sample.bev2img, road2bev=sample.road2bev)
    if history:
        encoder = model.bev_encoder
        size = (1, encoder.embed_dims, *encoder.grid.shape)
        inputs['history'] = torch.randn(size, generator=torch.Generator().manual_seed(0))
        inputs['current2history'] = translation(torch.tensor([[1.0, 0.0, 0.0]]))
        inputs['history_valid'] = torch.tensor([True])
    return inputs


def check(model: BEVSegmentor, inputs: dict[str, Tensor], path: Path, history: bool, repeats: int = 3) -> dict:
    """The largest difference between onnxruntime and torch, and images per second of both on this CPU."""
    import onnxruntime

    frame = ExportedFrame(model, tuple(inputs['images'].shape[-2:]), history).eval()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    known = {node.name for node in session.get_inputs()}
    arrays = {name: tensor.numpy() for name, tensor in inputs.items() if name in known}

    def seconds(function) -> tuple[float, list]:
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            result = function()
            times.append(time.perf_counter() - started)
        return min(times), result

    with torch.no_grad():
        torch_seconds, expected = seconds(lambda: frame(*inputs.values()))
    onnx_seconds, found = seconds(lambda: session.run(None, arrays))
    difference = max((torch.from_numpy(a) - b).abs().max().item() for a, b in zip(found, expected, strict=True))
    images = inputs['images'].shape[0] * inputs['images'].shape[1]
    rates = dict(torch=images / torch_seconds, onnxruntime=images / onnx_seconds)
    return dict(difference=difference, images_per_second={name: round(rate, 2) for name, rate in rates.items()})


@contextmanager
def _standard_operators() -> Iterator[None]:
    """Every query of every camera is a row, so that sizes are constant; queries that are not visible get weight 0."""
    torch.onnx.register_custom_op_symbolic('aten::mT', _transpose, OPSET)
    torch.onnx.register_custom_op_symbolic('aten::movedim', _movedim, OPSET)
    patches = [
        mock.patch.object(bevformer_module, 'view_pillars', _view_all_pillars),
        mock.patch.object(torch, 'autocast', lambda *args, **kwargs: nullcontext()),
        *(
            mock.patch.object(module, 'deformable_sampling', _sample_all_rows)
            for module in (spatial_cross_attention, temporal_self_attention)
        ),
    ]
    with ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        yield


def _transpose(graph: Any, matrix: Any) -> Any:
    rank = matrix.type().dim()
    return graph.op('Transpose', matrix, perm_i=[*range(rank - 2), rank - 1, rank - 2])


def _movedim(graph: Any, tensor: Any, source: Any, target: Any) -> Any:
    """torch exports a negative source unchanged, which ONNX does not support."""
    rank = tensor.type().dim()
    source, target = (int(value.node().t('value')) % rank for value in (source, target))
    order = [dim for dim in range(rank) if dim != source]
    return graph.op('Transpose', tensor, perm_i=[*order[:target], source, *order[target:]])


class _Seen(RowGroups):
    """Equal groups with the information which rows count."""

    seen: Tensor


def _view_all_pillars(
    points: Tensor, bev2img: Tensor, image_size: tuple[int, int], camera_valid: Tensor | None = None
) -> PillarViews:
    batch, cameras = bev2img.shape[:2]
    queries, heights = points.shape[1:3]
    pixels, depth, visible = project_points(points.flatten(1, 2)[:, None], bev2img, image_size)
    references = pixels / constant((image_size[1], image_size[0]), pixels)
    references = torch.where((depth > MIN_DEPTH)[..., None], references, -10.0).view(-1, heights, 2)
    seen = visible.view(batch, cameras, queries, heights).any(-1)
    groups = _Seen.equal(batch * cameras, queries, bev2img.device)
    object.__setattr__(groups, 'seen', seen.flatten())
    query = torch.arange(batch * queries).view(batch, 1, queries).expand(-1, cameras, -1).flatten()
    return PillarViews(groups, query, references, seen.sum(1).clamp(min=1).to(references.dtype))


def _sample_all_rows(
    value: Tensor, level_shapes: list[tuple[int, int]], locations: Tensor, weights: Tensor, groups: RowGroups
) -> Tensor:
    seen = getattr(groups, 'seen', None)
    if seen is not None:
        weights = weights * seen.to(weights.dtype)[:, None, None, None]
    rows = (groups.num_groups, groups.counts[0])
    sampled = multi_scale_deformable_attn_pytorch(
        value, level_shapes, locations.unflatten(0, rows), weights.unflatten(0, rows)
    )
    return sampled.flatten(0, 1)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='config file of a BEVFormer')
    parser.add_argument('checkpoint', nargs='?', help='file of the trained weights; default: random weights')
    parser.add_argument('--out', type=Path, required=True, help='the ONNX file')
    parser.add_argument('--history', action='store_true', help='history as an input and an output')
    parser.add_argument('--image-size', nargs=2, type=int, help='height and width, instead of those of the config')
    parser.add_argument('--check', action='store_true', help='run the file in onnxruntime and compare')
    args = parser.parse_args(arguments)
    config = load_config(args.config)
    register_all_modules()
    config.model.img_backbone.init_cfg = None
    model = init_model(config, args.checkpoint)
    size = args.image_size or image_size(config.test_dataloader.dataset.pipeline)
    inputs = example_inputs(model, tuple(size), args.history)
    export(model, inputs, args.out, args.history)
    if args.check:
        print(json.dumps(check(model, inputs, args.out, args.history), indent=1))


if __name__ == '__main__':
    main()
