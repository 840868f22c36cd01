"""mmdet3d's own CenterPoint inside `DetectorWithObjectives`."""

import copy
from pathlib import Path

import pytest
import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
from mmengine.config import Config
from mmengine.structures import InstanceData

import ssl_bev.components  # noqa: F401  (what the config imports in a run)

CONFIG = Path(__file__).resolve().parents[2] / 'configs' / 'reuse' / '_base_' / 'centerpoint_auxiliary.py'


def centerpoint_batch(preprocessor):
    generator = torch.Generator().manual_seed(1)
    sample = Det3DDataSample(metainfo=dict(box_type_3d=LiDARInstance3DBoxes))
    boxes = torch.tensor([[3.0, 4, -1, 4, 2, 1.5, 0.3, 1, 0], [-6, 9, -1, 1, 0.6, 1.7, 0, 0, 0]])
    sample.gt_instances_3d = InstanceData(
        bboxes_3d=LiDARInstance3DBoxes(boxes, box_dim=9), labels_3d=torch.tensor([0, 8])
    )
    points = (torch.rand(500, 4, generator=generator) - 0.5) * torch.tensor([60.0, 60, 4, 1])
    return preprocessor(dict(inputs=dict(points=[points]), data_samples=[sample]), training=True)


@pytest.mark.slow
def test_centerpoint_without_weights_is_centerpoint():
    """mmdet3d's own detector: initial weights, losses, gradients, buffers after the step, and boxes, bit by bit."""
    config = Config.fromfile(CONFIG).model
    built = []
    for model_config in (config.detector, config):
        torch.manual_seed(5)
        model = MODELS.build(copy.deepcopy(model_config))
        model.init_weights()
        built.append((model, torch.rand(2)))
    (plain, random), (model, same_random) = built
    model.set_loss_weights({})
    assert torch.equal(random, same_random)
    steps = []
    for found in (plain, model):
        detector = getattr(found, 'detector', found)
        initial = copy.deepcopy(detector.state_dict())
        batch = centerpoint_batch(found.data_preprocessor)
        losses = found(**batch, mode='loss')
        total, log = found.parse_losses(losses)
        total.backward()
        gradients = {name: p.grad for name, p in detector.named_parameters()}
        with torch.no_grad():
            (result,) = found.eval()(**batch, mode='predict')
        boxes = result.pred_instances_3d
        log = {name: value for name, value in log.items() if name not in ('loss_seg', 'loss_reprojection')}
        assert len(boxes.scores_3d) > 0 and log['task0.loss_bbox'] > 0
        steps.append([initial, detector.state_dict(), gradients, log, boxes.scores_3d, boxes.bboxes_3d.tensor])
    assert 'pred_bev_seg' in result
    for mine, other in zip(*steps, strict=True):
        pairs = [(mine[k], other[k]) for k in mine] if isinstance(mine, dict) else [(mine, other)]
        assert mine.keys() == other.keys() if isinstance(mine, dict) else True
        assert all((a is None and b is None) or torch.equal(a, b) for a, b in pairs)


def test_weights_go_from_detector_to_model_and_back(tmp_path):
    config = Config.fromfile(CONFIG).model
    plain = MODELS.build(copy.deepcopy(config.detector))
    torch.save(dict(state_dict=plain.state_dict()), tmp_path / 'stock.pth')
    config.detector.init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'stock.pth'))
    model = MODELS.build(config)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'ours.pth')
    config.detector.init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'ours.pth'), prefix='detector.')
    back = MODELS.build(config.detector)
    back.init_weights()
    for name, value in plain.state_dict().items():
        assert torch.equal(model.detector.state_dict()[name], value), name
        assert torch.equal(back.state_dict()[name], value), name
