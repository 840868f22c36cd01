"""What each of two processes does; started by test_distributed.py, which compares with one process."""

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from toy_segmentor import ALL, make_model, make_sample

import projects.BEVFormer.bevformer  # noqa: F401  (registers the encoder)
from ssl_bev.process_group import leave_process_group

SWITCHES = (dict(perspective=1.0), dict(reprojection=1.0, temporal=0.5), dict(seg=1.0), ALL)


def make_real_model(data_preprocessor=None):
    """BEVFormer with every objective; no layer that mixes the samples of a batch."""
    encoder = dict(
        type='BEVFormer', x_range=(-8, 8), y_range=(-4, 4), bev_shape=(4, 8), in_channels=8, embed_dims=8, num_layers=2,
        num_heads=2, num_levels=1, num_cams=2, dropout=0.0,
    )  # fmt: skip
    return make_model(bev_encoder=encoder, data_preprocessor=data_preprocessor)


def sample_of(number):
    """The two differ in how much is labelled and how surely, as frames of a drive do."""
    sample = make_sample(2 * number)
    if number:
        sample.pseudo_target[..., ::2, :] = 255
        sample.pseudo_confidence[:] = 60
        sample.gt_bev_seg[:, :, 4:] = 255
        sample.accumulated_weight[:] //= 5
    return sample


def images_of(numbers):
    return torch.stack([torch.randn(3, 2, 3, 16, 32, generator=torch.Generator().manual_seed(n)) for n in numbers])


def gradients(model):
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def step(model, numbers, bare=None):
    """Losses and gradients of one step; `bare` is the model where `model` is a wrapper of it."""
    bare = bare or model
    bare.zero_grad()
    losses = model(dict(img=images_of(numbers)), [sample_of(n) for n in numbers], mode='loss')
    sum(losses.values()).backward()
    return {name: value.item() for name, value in losses.items()}, gradients(bare)


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2)
    model, results = make_real_model(), []
    for weights in SWITCHES:
        model.set_loss_weights(weights)
        # As `TwoPhaseHook` does: what has no loss is not distributed.
        wrapped = MMDistributedDataParallel(model, find_unused_parameters=False, broadcast_buffers=False)
        for _ in range(2):  # a parameter without a gradient would stop the second
            result = step(wrapped, [rank], model)
        results.append(result)
    if rank == 0:
        torch.save(results, f'{folder}/results.pth')
    leave_process_group()
