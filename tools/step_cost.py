"""Operations and bytes of a step, counted on meta tensors, without computation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils import flop_counter
from torch.utils._python_dispatch import TorchDispatchMode

from projects.BEVFormer.bevformer import spatial_cross_attention, temporal_self_attention
from ssl_bev.apis import random_batch
from ssl_bev.models import BEVSegmentor, ReprojectionHead
from ssl_bev.structures import CameraRig

_VIEWS = (
    'view', 'expand', 'transpose', 'permute', 'slice', 'select', 'split', 'unsqueeze', 'squeeze', 'detach', 'alias',
)  # fmt: skip


@dataclass
class Cost:
    """The cost of a step: operations (a multiplication and an addition are two), and bytes in float32.

    Args:
        work: (operations, bytes read and written) of each call.
        saved: bytes that the forward pass keeps for the backward pass.
        parameters: number of the parameters that train.
    """

    work: list[tuple[float, float]]
    saved: float = 0.0
    parameters: int = 0

    @property
    def flops(self) -> float:
        return sum(flops for flops, _ in self.work)

    @property
    def bytes(self) -> float:
        return sum(size for _, size in self.work)

    def seconds(self, flops_per_second: float, bytes_per_second: float, seconds_per_call: float = 0.0) -> float:
        """The sum over calls; each takes the time of its arithmetic, its memory or its launch, whichever is longest."""
        return sum(
            max(flops / flops_per_second, size / bytes_per_second, seconds_per_call) for flops, size in self.work
        )


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.work: list[tuple[float, float]] = []
        self._formulas = getattr(flop_counter, 'flop_registry', None)
        if self._formulas is None:
            raise ValueError(
                f'torch {torch.__version__} lacks the formulas by which costs are counted; take 2.7 or newer'
            )

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        output = function(*args, **kwargs)
        name = function._schema.name.removeprefix('aten::')
        formula = self._formulas.get(function._overloadpacket)
        flops = formula(*args, **kwargs, out_val=output) if formula else 0
        if flops or not name.startswith(_VIEWS):
            self.work.append((flops, sum(map(_size, (*args, *kwargs.values(), output)))))
        return output


def _size(value: Any) -> float:
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    return sum(map(_size, value)) if isinstance(value, (list, tuple)) else 0.0


class _Sampling(torch.autograd.Function):
    """Deformable attention's sampling as one call that reads four corners of each sample and writes its sum."""

    @staticmethod
    def forward(context, counter, value, locations, weights):
        context.counter, context.inputs = counter, (value, locations, weights)
        context.save_for_backward(value, locations, weights)
        samples = weights.numel() * value.shape[-1]
        counter.work.append((10.0 * samples, 16.0 * samples))
        return value.new_empty(len(locations), value.shape[-2] * value.shape[-1])

    @staticmethod
    def backward(context, gradient):
        samples = context.inputs[2].numel() * context.inputs[0].shape[-1]
        context.counter.work.append((24.0 * samples, 48.0 * samples))
        return None, *(torch.empty_like(tensor) for tensor in context.inputs)


def count_step(
    model: BEVSegmentor,
    image_size: tuple[int, int],
    num_frames: int,
    batch_size: int = 1,
    loss_weights: Mapping[str, float] | None = None,
    num_cameras: int = 6,
) -> Cost:
    """The cost of a training step, or, without `loss_weights`, of predicting a window.

    Args:
        model: on the CPU; its weights are not read, but it is moved to `meta` and cannot be used afterwards.
        image_size: height and width, pixels.
        num_frames: of a window.
        batch_size: windows.
        loss_weights: as of a phase.
        num_cameras: of a frame.
    """
    batch = random_batch(model, image_size, num_frames, batch_size, num_cameras)
    data = model.data_preprocessor(batch, True)
    if loss_weights is not None:
        model.set_loss_weights(loss_weights)
    model.train(loss_weights is not None)
    counter, saved = _Counter(), {}
    with torch.no_grad(), _as_on_a_gpu(model, data, counter):
        model = model.to('meta')
        data = _on_meta(data)

        def keep(tensor: Tensor) -> Tensor:
            saved[id(tensor.untyped_storage())] = tensor.untyped_storage()
            return tensor

        parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        with counter:
            if loss_weights is None:
                model(**data, mode='tensor')
                return Cost(counter.work)
            with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                loss = sum(model(**data, mode='loss').values())
            loss.backward()
    counter.work.append((10.0 * parameters, 28.0 * parameters))  # AdamW: reads four, writes three
    own = {id(p.untyped_storage()) for p in model.parameters()}
    activations = sum(storage.nbytes() for key, storage in saved.items() if key not in own)
    return Cost(counter.work, activations, parameters)


@contextmanager
def _as_on_a_gpu(model: BEVSegmentor, data: dict, counter: _Counter) -> Iterator[None]:
    """Sampling as a separate operator, no autocast, and geometry-dependent sizes computed in advance."""
    rig, padded = CameraRig.from_data_samples(data['data_samples']), tuple(data['inputs']['img'].shape[-2:])
    prepared = _on_meta(model.bev_encoder.prepare_window(rig, padded))

    def sampling(value, level_shapes, locations, weights, groups) -> Tensor:
        return _Sampling.apply(counter, value, locations, weights)

    def labels(head, grid, bev2img, road, image_size, target, *rest) -> tuple[Tensor, Tensor]:
        maps = target.new_empty(len(target), target.shape[2], *grid.shape, dtype=torch.float32)
        return maps, maps

    patches: list[tuple[Any, str, Callable]] = [
        (torch, 'autocast', lambda *args, **kwargs: nullcontext()),
        (model.bev_encoder, 'prepare_window', lambda *args: prepared),
        (spatial_cross_attention, 'deformable_sampling', sampling),
        (temporal_self_attention, 'deformable_sampling', sampling),
        (ReprojectionHead, 'labels_on_ground', labels),
    ]
    with ExitStack() as stack:
        for owner, name, function in patches:
            stack.enter_context(mock.patch.object(owner, name, function))
        yield


def _on_meta(value: Any) -> Any:
    if is_dataclass(value):
        return replace(value, **{field.name: _on_meta(getattr(value, field.name)) for field in fields(value)})
    if isinstance(value, dict):
        return {name: _on_meta(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_on_meta(each) for each in value)
    return value.to('meta') if hasattr(value, 'to') else value
