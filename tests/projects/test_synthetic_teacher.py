"""How the small Mask2Formers of the synthetic world are trained, and the weights that are shipped."""

import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import ClassBalancedDataset
from mmengine.registry import DefaultScope
from torch import nn

from projects.SyntheticNuScenes.synthetic_nuscenes.class_names import CLASS_NAMES
from projects.SyntheticNuScenes.teacher.coarse_fpn import CoarseFPN
from projects.SyntheticNuScenes.teacher.contrast_resnet import ContrastResNet
from projects.SyntheticNuScenes.teacher.semantic_mask2former_head import SemanticMask2FormerHead
from projects.SyntheticNuScenes.teacher.teacher_town import TeacherTown
from ssl_bev.files import read_picture
from ssl_bev.pseudo_labels import LabelMap, PseudoLabelReader
from ssl_bev.pseudo_labels.teachers import build_teacher

TEACHERS = Path(__file__).resolve().parents[2] / 'projects' / 'SyntheticNuScenes' / 'teacher'


def head(pixel_weight=(1.0, 2.0), pixel_odds=(1.0, 9.0), num_points=4000):
    """Only what the losses need."""
    built = SemanticMask2FormerHead.__new__(SemanticMask2FormerHead)
    nn.Module.__init__(built)
    built.num_classes = built.num_queries = len(pixel_weight)
    built.num_points = num_points
    built.register_buffer('presence_weight', torch.tensor([1.0] * len(pixel_weight) + [0.1]))
    built.register_buffer('pixel_weight', torch.tensor(pixel_weight))
    built.register_buffer('pixel_odds', torch.tensor(pixel_odds))
    return built


def test_ids_of_the_files_become_those_of_the_classes():
    finer = TeacherTown.get_label_map(['Road', 'Lane Marking - Stop Line'])
    assert finer[CLASS_NAMES.index('Road')] == 0 and finer[CLASS_NAMES.index('Lane Marking - Stop Line')] == 1
    assert finer[CLASS_NAMES.index('Car')] == 255


def test_pictures_with_rare_classes_come_more_often(tmp_path):
    """Of eight pictures one shows a stop line: 1/8 of them, so it comes sqrt(0.5 / (1/8)) = 2 times."""
    for folder, picture in (('samples', np.zeros((4, 4, 3))), ('oracle/labels', np.full((4, 4), 21))):
        (tmp_path / folder / 'CAM_FRONT').mkdir(parents=True)
        suffix = 'jpg' if folder == 'samples' else 'png'
        for number in range(8):
            cv2.imwrite(str(tmp_path / folder / 'CAM_FRONT' / f'{number}.{suffix}'), picture.astype(np.uint8))
    picture = np.full((4, 4), CLASS_NAMES.index('Road'), np.uint8)
    picture[0, 0], picture[1] = CLASS_NAMES.index('Lane Marking - Stop Line'), CLASS_NAMES.index('Car')
    cv2.imwrite(str(tmp_path / 'oracle' / 'labels' / 'CAM_FRONT' / '3.png'), picture)
    town = TeacherTown(data_root=str(tmp_path), metainfo=dict(classes=['Road', 'Lane Marking - Stop Line']))
    assert town.get_cat_ids(3) == [0, 1] and town.get_cat_ids(0) == [0]
    assert sorted(ClassBalancedDataset(town, 0.5).repeat_indices) == [0, 1, 2, 3, 3, 4, 5, 6, 7]


def test_drawn_points_are_the_picture_without_bias():
    """4 % of what is labelled is of class 1: drawn nine times as often, its points weigh a ninth."""
    torch.manual_seed(0)
    labels = torch.zeros(2, 20, 40, dtype=torch.long)
    labels[0, 5, :16] = 1
    labels[0, 10:] = 255
    labels[1] = 255
    positions, classes, weights, shown = head().draw_points(labels)
    assert shown.tolist() == [[True, True], [False, False]]
    assert (positions[0, :, 1] < 0.5).all()  # never where nothing is labelled
    drawn, share = classes[0] == 1, 16 / 400
    assert abs(drawn.float().mean() - 9 * share / (1 + 8 * share)) < 0.03
    assert abs((weights[0] * drawn).sum() / weights[0].sum() - share) < 0.005
    u, v = (positions[0] * torch.tensor([40, 20])).long().unbind(-1)
    assert (labels[0, v, u] == classes[0]).all()
    assert (weights[1] == 0).all()


def test_the_loss_is_that_of_the_combined_scores():
    """Two classes with a sure query each, whose masks are 0.9 and 0.1 everywhere; three points of class 0, one of 1."""
    masks = torch.tensor([0.9, 0.1]).logit().view(1, 2, 1, 1).expand(1, 2, 4, 4).clone().requires_grad_()
    class_logits = torch.tensor([[[50.0, 0, 0], [0, 50.0, 0]]])
    positions = torch.rand(1, 4, 2, generator=torch.Generator().manual_seed(0))
    classes, shown = torch.tensor([[0, 0, 0, 1]]), torch.tensor([[True, True]])
    losses = head().layer_loss(class_logits, masks, positions, classes, torch.ones(1, 4), shown)
    assert losses['loss_class'] < 1e-6
    assert math.isclose(losses['loss_pixel'].item(), -(3 * math.log(0.9) + 2 * math.log(0.1)) / 4, rel_tol=1e-4)
    dice = [1 - 2 * 2.7 / (3.6 + 3 + 1), 1 - 2 * 0.1 / (0.4 + 1 + 1)]
    assert math.isclose(losses['loss_dice'].item(), sum(dice) / 2, rel_tol=1e-4)
    sum(losses.values()).backward()
    assert masks.grad.isfinite().all() and masks.grad.any()


def test_without_labels_the_loss_is_zero():
    masks = torch.zeros(1, 2, 4, 4, requires_grad=True)
    labels = torch.full((1, 8, 8), 255)
    *targets, shown = head(num_points=10).draw_points(labels)
    class_logits = torch.tensor([[[0.0, 0, 50], [0, 0, 50]]])  # no class is there, and the queries know
    losses = head().layer_loss(class_logits, masks, *targets, shown)
    assert sum(losses.values()) < 1e-6
    sum(losses.values()).backward()
    assert (masks.grad == 0).all()


def test_the_backbone_sees_no_brightness_nor_contrast():
    torch.manual_seed(0)
    backbone = ContrastResNet(depth=18, base_channels=8, stem_channels=8)
    backbone.eval()  # returns nothing, in mmsegmentation
    image = torch.randn(1, 3, 32, 64)
    with torch.no_grad():
        for day, night in zip(backbone(image), backbone(0.1 * image - 3), strict=True):
            torch.testing.assert_close(day, night, atol=1e-3, rtol=1e-3)


def test_the_pyramid_brings_context_down_to_the_second_level():
    torch.manual_seed(0)
    levels = [torch.randn(1, channels, 16 >> i, 16 >> i, requires_grad=True) for i, channels in enumerate((4, 6, 8))]
    out = CoarseFPN(in_channels=[4, 6, 8], out_channels=5, num_outs=2)(tuple(levels))
    assert out[0] is levels[0] and [level.shape[1] for level in out[1:]] == [5, 5]
    out[1].sum().backward()
    assert levels[2].grad.any() and levels[0].grad is None


def test_the_shipped_teacher_knows_the_road_of_other_towns(synthetic_root):
    """Its pictures are half as large as those of the teacher town, so they are looked at in four times their size."""
    weights = TEACHERS / 'mask2former_v2.pth'
    assert weights.stat().st_size <= 6e6
    assert set(torch.load(weights, weights_only=True)) == {'state_dict', 'meta'}
    teacher = build_teacher('mmseg', config=TEACHERS / 'mask2former_v2.py', checkpoint=weights, scale=4.0)
    truth = PseudoLabelReader(synthetic_root / 'oracle')
    drivable = LabelMap.load('mapillary_v2').table
    road, found = (drivable(names, ['drivable'])[:, 0] == 1 for names in (truth.class_names, teacher.class_names))
    both = either = 0
    for path in sorted((synthetic_root / 'samples').glob('CAM_FRONT*/*.jpg')):
        ids, _ = teacher.predict([read_picture(path)])[0]
        true_ids, _ = truth.read(path.parent.name, path.stem)
        both, either = both + (road[true_ids] & found[ids]).sum(), either + (road[true_ids] | found[ids]).sum()
    assert both / either > 0.8


@pytest.mark.long
def test_one_command_makes_the_teacher_from_nothing(tmp_path):
    """Images, the network, and weights as they are shipped."""
    command = [sys.executable, TEACHERS / 'train.py', '--toy', tmp_path]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    (path,) = (tmp_path / 'weights').iterdir()
    shipped, made = (torch.load(file, weights_only=True) for file in (TEACHERS / path.name, path))
    assert made['meta'] == shipped['meta']
    layout = [{key: (v.shape, v.dtype) for key, v in each['state_dict'].items()} for each in (shipped, made)]
    assert layout[0] == layout[1]
    assert made['state_dict']['backbone.bn1.num_batches_tracked'] == 2


def test_a_query_for_each_class():
    with pytest.raises(ValueError, match=r"a query, a weight and odds for each class, got .*'num_queries': 5"):
        build_head(num_queries=5)


def build_head(**changes):
    from mmengine.config import Config
    from mmseg.registry import MODELS
    from mmseg.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    config = Config.fromfile(TEACHERS / 'mask2former_v2.py').model.decode_head
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build({**config, **changes})
