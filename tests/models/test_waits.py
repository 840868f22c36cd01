"""A training step must not keep a GPU waiting: docs/gpu.md lists what is left."""

from __future__ import annotations

import pytest
import torch
from mmengine.optim import OptimWrapper
from toy_segmentor import ALL, images, make_model, make_sample
from waits import counted_waits

import projects.LiftSplat.lift_splat
import projects.SimpleBEV.simple_bev  # noqa: F401, registers its parts
from projects.BEVFormer.bevformer import spatial_cross_attention, temporal_self_attention
from projects.BEVFormer.bevformer.deformable_sampling import padded_sampling
from ssl_bev.geometry import BEVGrid

PHASES = dict(
    pretrain=dict(reprojection=1.0, temporal=0.5, perspective=0.5), finetune=dict(seg=1.0), soft=dict(completed=1.0)
)


def bevformer(layers: int) -> dict:
    area = dict(x_range=(-8, 8), y_range=(-4, 4), bev_shape=(4, 8))
    return dict(type='BEVFormer', **area, embed_dims=8, num_layers=layers, num_heads=2, num_levels=1, num_cams=2)


def encoders() -> dict[str, dict]:
    area = dict(x_range=(-8, 8), y_range=(-4, 4), bev_shape=(4, 8), in_channels=8, embed_dims=8)
    return dict(
        BEVFormer=bevformer(2),
        LiftSplat=dict(type='LiftSplat', depth_range=(1.0, 9.0, 1.0), **area),
        SimpleBEV=dict(type='SimpleBEV', **area),
    )


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attention samples by mmcv's operator, not by what is compiled for CPUs."""
    for module in (spatial_cross_attention, temporal_self_attention):
        monkeypatch.setattr(module, 'deformable_sampling', padded_sampling)


def lengthened(sample, frames: int, road: bool):
    """A window that goes on for so many frames, over even ground or over hills."""
    last = torch.arange(frames).clamp(max=len(sample.frame_valid) - 1)
    for name in ('bev2img', 'bev2global', 'road2bev', 'frame_valid', 'pseudo_target', 'pseudo_confidence'):
        sample.set_field(sample.get(name)[last], name)
    if road:
        grid = BEVGrid((-8.0, 8.0), (-4.0, 4.0), 1.0)
        sample.road_heights = 0.1 * torch.rand(frames, *grid.shape)
        sample.set_metainfo(dict(road_grid=grid))
    return sample


def make_step(encoder: dict, weights: dict, frames: int = 3, road: bool = False):
    model = make_model(dict(reprojection=dict(line_width=dict(marking=2.0))), bev_encoder=encoder)
    model.set_loss_weights(weights)
    # AdamW would do; but it counts its steps in tensors that stay on the CPU, and reads them there.
    optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1), clip_grad=dict(max_norm=35))
    samples = [lengthened(make_sample(seed), frames, road) for seed in range(2)]
    pictures = images(2)['img'][:, torch.arange(frames).clamp(max=2)]

    def step() -> None:
        losses = model(dict(img=pictures), samples, mode='loss')
        optim_wrapper.update_params(model.parse_losses(losses)[0])

    return step


@pytest.mark.parametrize('road', [False, True], ids=['even', 'hills'])
@pytest.mark.parametrize('phase', PHASES)
def test_few_waits_however_many_frames_and_layers(phase, road, as_on_a_gpu):
    """The pillars that cameras see, the cells that they see, the norm of the gradient: one reading each."""
    for frames, layers in ((2, 1), (5, 3)):
        step = make_step(bevformer(layers), PHASES[phase], frames, road)
        step()  # constants are copied once
        with counted_waits() as waits:
            step()
        expected = {'tolist': 1, 'aten::_local_scalar_dense': 1}
        assert waits == (expected | {'aten::nonzero': 1} if phase == 'pretrain' else expected)


@pytest.mark.parametrize('road', [False, True], ids=['even', 'hills'])
def test_a_window_prepared_at_once_gives_what_its_frames_give_one_by_one(road, monkeypatch):
    model = make_model(bev_encoder=bevformer(2)).eval()
    samples = [lengthened(make_sample(seed), 3, road) for seed in range(2)]
    samples[1].camera_valid = torch.tensor([[True, True], [False, True], [True, False]])
    together = model(images(2), samples)
    monkeypatch.setattr(model.bev_encoder, 'prepare_window', lambda *_: None)
    for level, logits in model(images(2), samples).items():
        assert torch.equal(logits, together[level])


@pytest.mark.parametrize('name', ['LiftSplat', 'SimpleBEV'])
def test_other_encoders_wait_for_nothing(name):
    step = make_step(encoders()[name], PHASES['finetune'])
    step()
    with counted_waits() as waits:
        step()
    assert waits == {'aten::_local_scalar_dense': 1}


@pytest.mark.parametrize('name', ['BEVFormer', 'LiftSplat', 'SimpleBEV'])
@pytest.mark.parametrize('active', list(ALL))
def test_every_tensor_names_its_device(name, active):
    """What does not would be made on the CPU while the rest is on a GPU; here it is made where it cannot be read."""
    step = make_step(encoders()[name], {active: 1.0}, road=True)
    before = torch.get_default_device()
    torch.set_default_device('meta')
    try:
        step()
    finally:
        torch.set_default_device(before)


def test_the_counter_counts():
    mask = torch.tensor([True, False])
    with counted_waits() as waits:
        torch.tensor([1.0])
        mask.new_tensor([1])
        bool(mask.any())
        mask.sum().item()
        mask[mask]
        mask[[1, 0]]
        mask.tolist()
    assert waits == {'tensor': 1, 'new_tensor': 1, 'aten::_local_scalar_dense': 2, 'aten::index': 1,
                     '__getitem__': 1, 'tolist': 1}  # fmt: skip
