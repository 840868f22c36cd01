"""The code of docs/reuse.md works as it stands there."""

import re
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import torch
from mmdet3d.registry import MODELS
from toy_segmentor import images, make_model, make_sample

from ssl_bev.geometry import BEVGrid
from ssl_bev.models import Objective, ObjectiveSet, ReprojectionHead
from ssl_bev.targets import POSITIVE

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'reuse.md'
BLOCKS = re.findall(r'```python\n(.*?)\n *```', PAGE.read_text(), re.DOTALL)


def run(part, **names):
    """Run the one block that contains a text, and return its names."""
    (block,) = (block for block in BLOCKS if part in block)
    exec(dedent(block), names)
    return names


def test_an_objective_of_ones_own():
    run('PaintLiesOnRoad', MODELS=MODELS, Objective=Objective)
    model = make_model()
    model.objectives = ObjectiveSet(dict(on_road=dict(type='PaintLiesOnRoad')), dict(on_road=0.1))
    losses = model(images(2), [make_sample(0), make_sample(1)], mode='loss')
    assert list(losses) == ['loss_on_road']
    losses['loss_on_road'].backward()
    drivable, marking = model.seg_head.coarse.bias.grad
    assert drivable < 0 < marking  # a step leads to more road and less paint


def test_the_loss_of_any_map(two_camera_rig):
    logits = torch.zeros(1, 3, 120, 240, requires_grad=True)
    rig = SimpleNamespace(
        bev2img=two_camera_rig.bev2img[None],
        road2bev=two_camera_rig.road2bev[None],
        image_size=two_camera_rig.image_size,
        camera_valid=torch.tensor([[True, False]]),
    )
    labels = dict(
        target=torch.full((1, 2, 3, 30, 60), POSITIVE, dtype=torch.uint8),
        confidence=torch.full((1, 2, 30, 60), 255, dtype=torch.uint8),
    )
    found = run('head.compare', ReprojectionHead=ReprojectionHead, BEVGrid=BEVGrid, logits=logits, rig=rig, **labels)
    found['loss'].backward()
    assert found['loss'] > 0
    assert logits.grad[..., 120:].any() and not logits.grad[..., :120].any()  # ahead of the one camera that counts
