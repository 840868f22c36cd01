"""How the small Mask2Formers of the synthetic world are trained."""

import math

import pytest
import torch
from mmengine.structures import InstanceData, PixelData
from mmseg.structures import SegDataSample
from torch import nn

from projects.SyntheticNuScenes.synthetic_nuscenes.class_names import CLASS_NAMES
from projects.SyntheticNuScenes.teacher.class_query_assigner import ClassQueryAssigner
from projects.SyntheticNuScenes.teacher.semantic_mask2former_head import SemanticMask2FormerHead
from projects.SyntheticNuScenes.teacher.teacher_town import TeacherTown


def assign(labels, num_queries=5):
    predictions = InstanceData(scores=torch.zeros(num_queries, 3))
    return ClassQueryAssigner().assign(predictions, InstanceData(labels=torch.tensor(labels, dtype=torch.long)))


def test_each_class_goes_to_its_query():
    result = assign([3, 0])
    assert result.gt_inds.tolist() == [2, 0, 0, 1, 0]  # which mask, counted from 1
    assert result.labels.tolist() == [0, -1, -1, 3, -1]
    assert assign([]).gt_inds.tolist() == [0] * 5


def test_fewer_queries_than_classes():
    with pytest.raises(ValueError, match='num_queries must be more than the largest class id, got 5 for class 5'):
        assign([5])


def test_ids_of_the_files_become_those_of_the_classes():
    finer = TeacherTown.get_label_map(['Road', 'Lane Marking - Stop Line'])
    assert finer[CLASS_NAMES.index('Road')] == 0 and finer[CLASS_NAMES.index('Lane Marking - Stop Line')] == 1
    assert finer[CLASS_NAMES.index('Car')] == 255
    coarser = TeacherTown.get_label_map(['Road', 'Lane Marking - General'])
    for name in ('Lane Marking - Stop Line', 'Lane Marking - Dashed Line', 'Lane Marking - Text'):
        assert coarser[CLASS_NAMES.index(name)] == 1
    assert coarser[CLASS_NAMES.index('Car')] == 255


def test_the_semantic_loss_is_the_cross_entropy_of_the_combined_scores():
    """Two classes, each with its own sure query; masks of 0.9 and 0.1 make a score of 0.9 : 0.1 at every pixel."""
    head = SemanticMask2FormerHead.__new__(SemanticMask2FormerHead)
    nn.Module.__init__(head)
    head.ignore_index, head.semantic_weight = 255, 2.0
    head.register_buffer('semantic_class_weight', torch.ones(2))
    class_logits = torch.tensor([[[50.0, 0, 0], [0, 50.0, 0]]])
    mask_logits = torch.tensor([0.9, 0.1]).logit().view(1, 2, 1, 1).expand(1, 2, 4, 4).clone().requires_grad_()
    head.forward = lambda x, samples: ([class_logits], [mask_logits])
    head.loss_by_feat = lambda *args: {}
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    labels[:, 4:] = 1
    labels[:, :, 4:] = 255
    sample = SegDataSample(gt_sem_seg=PixelData(data=labels))
    loss = head.loss((), [sample], {})['loss_semantic']
    torch.testing.assert_close(loss, torch.tensor(-(math.log(0.9) + math.log(0.1))), atol=1e-4, rtol=0)
    loss.backward()
    assert (mask_logits.grad[0, 0, :2, :2] < 0).all() and (mask_logits.grad[0, 0, 2:, :2] > 0).all()
    assert (mask_logits.grad[..., 3] == 0).all()
