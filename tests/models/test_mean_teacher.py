"""The mean teacher: its loss, its hook, and what reaches checkpoints."""

import copy
from types import SimpleNamespace

import pytest
import torch
from toy_segmentor import LOSS, images, make_model, make_sample

from ssl_bev.engine import MeanTeacherHook
from ssl_bev.models import MeanTeacherLoss
from ssl_bev.structures import CameraRig


def student(**options):
    model = make_model(teacher_loss=dict(dict(type='MeanTeacherLoss', loss=LOSS, drop_cameras=0), **options))
    model.set_teacher(None)
    model.set_loss_weights(dict(loss_teacher=1.0))
    return model


def runner_of(model, resume=False):
    return SimpleNamespace(model=model, _resume=resume)


def test_only_sure_cells_teach_and_only_the_student():
    """p = 0.9 is |2 p - 1| = 0.8, p = 0.6 is 0.2. Where both agree, the loss is the teacher's entropy."""
    teacher = torch.logit(torch.tensor([[[[0.9, 0.6, 0.1]]]])).requires_grad_()
    logits = torch.tensor([[[[0.0, 5.0, 0.0]]]], requires_grad=True)
    loss = MeanTeacherLoss(LOSS, min_confidence=0.5)(logits, teacher)
    assert loss.item() == pytest.approx(torch.tensor(2.0).log().item())
    loss.backward()
    assert teacher.grad is None
    torch.testing.assert_close(logits.grad, torch.tensor([[[[-0.2, 0.0, 0.2]]]]))


@pytest.mark.parametrize('drop', [0, 1, 5])
def test_the_student_lacks_cameras_but_never_all(drop):
    batch = [make_sample(seed) for seed in range(8)]
    rig, pictures = CameraRig.from_data_samples(batch), images(8)
    torch.manual_seed(1)
    seen, disturbed = MeanTeacherLoss(LOSS, drop_cameras=drop).disturb(pictures, rig)
    kept = disturbed.camera_valid  # (8, 3, 2)
    assert (kept == kept[:, :1]).all()  # the same in all frames of a window
    assert (kept.sum(2) == 2 - min(drop, 1)).all()
    assert torch.equal(seen, pictures * kept[..., None, None, None])
    assert rig.camera_valid.all()
    if drop:
        assert len({tuple(row) for row in kept[:, 0].tolist()}) == 2


def test_the_teacher_sees_everything_and_follows_the_student():
    model, hook = student(drop_cameras=1, min_confidence=0.0), MeanTeacherHook(momentum=0.25)
    runner, keys = runner_of(model), list(model.state_dict())
    hook.before_train_epoch(runner)
    teacher = model._teacher[0]
    assert list(model.state_dict()) == keys and not teacher.training
    assert sum(1 for _ in model.parameters()) == sum(1 for _ in teacher.parameters())
    before = copy.deepcopy(teacher.state_dict())
    loss = model(dict(img=images(1)), [make_sample(0)], mode='loss')['loss_teacher']
    assert teacher.bev_encoder.calls and not any(call['grad'] for call in teacher.bev_encoder.calls)
    loss.backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert model.seg_head.fine.weight.grad.abs().sum() > 0
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1.0
    hook.after_train_iter(runner, 0)  # mmengine's average begins with a copy, then moves
    hook.after_train_iter(runner, 1)
    moved = teacher.seg_head.fine.weight - before['seg_head.fine.weight']
    assert ((moved > 0.24) & (moved <= 1.0)).all()


def test_checkpoints_keep_the_student_and_resume_the_teacher():
    model, hook = student(), MeanTeacherHook()
    hook.before_train_epoch(runner_of(model))
    with torch.no_grad():
        model._teacher[0].seg_head.fine.weight.fill_(7.0)
    checkpoint = dict(state_dict=model.state_dict())
    hook.before_save_checkpoint(runner_of(model), checkpoint)
    assert not (checkpoint['state_dict']['seg_head.fine.weight'] == 7).any()
    for resume in (True, False):
        model, hook = student(), MeanTeacherHook()
        hook.after_load_checkpoint(runner_of(model, resume), checkpoint)
        hook.before_train_epoch(runner_of(model, resume))
        assert (model._teacher[0].seg_head.fine.weight == 7).all() == resume


def test_a_teacher_exists_only_while_its_loss_has_a_weight():
    model, hook = student(), MeanTeacherHook()
    hook.before_train_epoch(runner_of(model))
    first = model._teacher[0]
    hook.before_train_epoch(runner_of(model))
    assert model._teacher[0] is first  # a new epoch is no new teacher
    model.set_loss_weights(dict(loss_seg=1.0))
    hook.before_train_epoch(runner_of(model))
    checkpoint = {}
    hook.before_save_checkpoint(runner_of(model), checkpoint)
    assert model._teacher == [] and checkpoint == {}
    model.set_loss_weights(dict(loss_teacher=1.0))
    with pytest.raises(ValueError, match='the model has no teacher; add MeanTeacherHook'):
        model(dict(img=images(1)), [make_sample(0)], mode='loss')


def test_bad_arguments():
    with pytest.raises(ValueError, match=r'momentum must lie in \(0, 1\), got 1'):
        MeanTeacherHook(momentum=1)
    with pytest.raises(ValueError, match='needs a model with set_teacher'):
        MeanTeacherHook().before_train_epoch(runner_of(torch.nn.Linear(1, 1)))
    with pytest.raises(ValueError, match=r'min_confidence must lie in 0 \.\.\. 1, got 3'):
        MeanTeacherLoss(LOSS, min_confidence=3)
    with pytest.raises(ValueError, match='drop_cameras must not be negative, got -1'):
        MeanTeacherLoss(LOSS, drop_cameras=-1)
