"""What can be seen on a GPU only; `pytest -m gpu tests/gpu` where there is one.

The GPU must give the numbers of the CPU. SSL_BEV_GPU=cpu runs the tests themselves without one.
"""

from __future__ import annotations

import copy
import os
import warnings
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from bevformer_golden import GOLDEN, golden_history, golden_inputs, read_golden
from bevformer_rig import build_bevformer, two_samples
from distributed_worker import images_of, make_real_model, sample_of, step
from mmdet3d.registry import MODELS
from mmdet3d.utils import register_all_modules
from test_bevformer_golden import encoder as golden_encoder
from test_bevformer_sampling import SHAPES, random_problem
from torch import Tensor
from toy_segmentor import ALL, images, make_model, make_sample

from projects.BEVFormer.bevformer.deformable_sampling import deformable_sampling
from ssl_bev.apis import random_batch
from ssl_bev.engine import load_config

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
LEAVES = sorted(CONFIGS.glob('bevformer_s*.py')) + sorted(CONFIGS.glob('reuse/[ls]*_two_phase.py'))
DTYPES = dict(float32=None, float16=torch.float16, bfloat16=torch.bfloat16)
BOTH = dict(reprojection=1.0, seg=1.0)
DEVICE = os.environ.get('SSL_BEV_GPU', 'cuda')
CUDA = DEVICE != 'cpu'

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(CUDA and not torch.cuda.is_available(), reason='torch sees no CUDA device'),
]


def moved(value, device: str):
    """Tensors, data samples and what holds them, on a device."""
    if is_dataclass(value):
        return replace(value, **{field.name: moved(getattr(value, field.name), device) for field in fields(value)})
    if isinstance(value, dict):
        return {name: moved(each, device) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(moved(each, device) for each in value)
    return value.to(device) if hasattr(value, 'to') else value


def gradients_of(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.skipif(not GOLDEN.is_file(), reason=f'no golden numbers at {GOLDEN}')
@pytest.mark.parametrize('history', [False, True])
@torch.no_grad()
def test_golden_numbers(history):
    golden = read_golden()
    encoder = golden_encoder.__wrapped__(golden).to(DEVICE)
    inputs = {**golden_inputs(golden), **(golden_history(golden) if history else {})}
    output = encoder(**moved(inputs, DEVICE)).cpu().numpy()
    name = 'output_with_history' if history else 'output_without_history'
    torch.testing.assert_close(output, golden[name], atol=1e-3, rtol=0)


@pytest.mark.parametrize('groups', [(4, 0, 7), (4, 4, 4), (0, 0)], ids=str)
def test_sampling_and_its_gradients(groups):
    inputs, rows = random_problem(0, groups=groups, depth=8)
    results = []
    for device in ('cpu', DEVICE):
        placed = [tensor.detach().to(device).requires_grad_() for tensor in inputs]
        output = deformable_sampling(placed[0], SHAPES, *placed[1:], moved(rows, device))
        results.append([output, *torch.autograd.grad(output.square().sum(), placed)])
    for on_cpu, on_gpu in zip(*results, strict=True):
        torch.testing.assert_close(on_gpu.cpu(), on_cpu, atol=1e-4, rtol=1e-4)


def test_the_encoder():
    generator = torch.Generator().manual_seed(0)
    model, inputs = build_bevformer(generator), two_samples(generator)
    expected = model.encode(**inputs)
    output = copy.deepcopy(model).to(DEVICE).encode(**moved(inputs, DEVICE))
    torch.testing.assert_close(output.cpu(), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize('active', list(ALL))
def test_losses_and_gradients_of_every_objective(active):
    model = make_model()
    model.set_loss_weights({active: 1.0})
    results = []
    for device in ('cpu', DEVICE):
        placed = copy.deepcopy(model).to(device)
        losses = placed(moved(images(2), device), [make_sample(seed).to(device) for seed in range(2)], mode='loss')
        sum(losses.values()).backward()
        results.append((losses[f'loss_{active}'].item(), gradients_of(placed)))
    (on_cpu, expected), (on_gpu, gradients) = results
    assert on_gpu == pytest.approx(on_cpu, rel=1e-4)
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, atol=1e-4, rtol=1e-3)


def reduced_model(path: Path):
    for name in ('NUSCENES', 'SYNTHETIC'):
        os.environ[f'SSL_BEV_{name}'] = 'data'
    config = load_config(path)
    register_all_modules()
    config.model.img_backbone.init_cfg = None
    config.model.bev_encoder.bev_shape = (15, 30)
    config.model.seg_head.num_upsamples = 3
    hooks = [hook for hook in config.custom_hooks if hook.type == 'TwoPhaseHook']
    model = MODELS.build(config.model).to(DEVICE)
    model.init_weights()
    return model, [p['losses'] for p in hooks[0].phases] if hooks else [config.model.loss_weights]


@pytest.mark.parametrize('precision', DTYPES)
@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_a_step_of_each_config_waits_as_often_as_its_page_says(path, precision):
    """An odd batch; the first step copies constants, the second may ask what the cameras see: docs/gpu.md."""
    model, phases = reduced_model(path)
    batch = random_batch(model, (96, 160), num_frames=3, batch_size=3)
    dtype = DTYPES[precision]
    for weights in phases:
        model.set_loss_weights(weights)
        data = model.data_preprocessor(batch, True)
        for number in range(2):
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter('always')
                if CUDA:
                    torch.cuda.set_sync_debug_mode('warn' if number else 'default')
                with torch.autocast(DEVICE, dtype, enabled=dtype is not None):
                    losses = model(**data, mode='loss')
                sum(losses.values()).backward()
                if CUDA:
                    torch.cuda.set_sync_debug_mode('default')
        waits = [warning for warning in found if 'synchronizing' in str(warning.message)]
        assert len(waits) <= 2, [f'{warning.filename}:{warning.lineno}' for warning in waits]
        assert all(value.isfinite() for value in losses.values())
        assert all(gradient.isfinite().all() for gradient in gradients_of(model).values())


def test_no_pillar_is_seen():
    model, _ = reduced_model(CONFIGS / 'bevformer_ssl_pretrain.py')
    model.set_loss_weights(dict(reprojection=1.0, seg=1.0))
    batch = random_batch(model, (96, 160), num_frames=2)
    batch['data_samples'][0].camera_valid[:] = False
    losses = model(**model.data_preprocessor(batch, True), mode='loss')
    sum(losses.values()).backward()
    assert losses['loss_reprojection'] == 0 and losses['loss_seg'] > 0


def _on_two_gpus(rank: int, folder: str) -> None:
    torch.cuda.set_device(rank)
    meeting = dict(init_method=f'file://{folder}/meet', rank=rank, world_size=2)
    torch.distributed.init_process_group('nccl', **meeting)
    model = make_real_model().cuda()
    model.set_loss_weights(BOTH)
    wrapped = torch.nn.parallel.DistributedDataParallel(model, device_ids=[rank])
    losses = wrapped(dict(img=images_of([rank]).cuda()), [sample_of(rank).cuda()], mode='loss')
    sum(losses.values()).backward()
    if rank == 0:
        torch.save(({k: v.item() for k, v in losses.items()}, gradients_of(model)), f'{folder}/results.pth')
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason='torch sees fewer than two CUDA devices')
def test_two_gpus_train_as_one_with_the_joined_batch(tmp_path):
    mp.spawn(_on_two_gpus, args=(str(tmp_path),), nprocs=2)
    losses, gradients = torch.load(tmp_path / 'results.pth', weights_only=True)
    model = make_real_model()
    model.set_loss_weights(BOTH)
    expected_losses, expected = step(model, [0, 1])
    assert losses == pytest.approx(expected_losses, rel=1e-3)
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients[name], gradient, atol=1e-4, rtol=1e-2)
