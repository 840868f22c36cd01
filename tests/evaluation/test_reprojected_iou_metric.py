import math

import pytest
import torch
from processes import on_processes

from ssl_bev.evaluation import ReprojectedIoUMetric
from ssl_bev.geometry import BEVGrid, reproject

GRID = dict(x_range=(-10.0, 20.0), y_range=(-10.0, 10.0), cell_size=0.5)
CLASSES = ('drivable', 'marking')


@pytest.fixture
def sample(two_camera_rig):
    """A sample whose prediction explains its pseudo-labels exactly."""
    _, y = BEVGrid(**GRID).cell_centers().unbind(-1)
    truth = torch.stack([(y.abs() < 4).float(), ((y - 1).abs() < 1).float()])
    bev2img, road2bev = two_camera_rig.bev2img[None], two_camera_rig.road2bev[None]
    projected, _, valid = reproject(truth[None], BEVGrid(**GRID), bev2img, road2bev, (60, 120), 2)
    target = torch.where(valid, 254 * (projected[0] >= 0.5).to(torch.uint8), 255)
    return dict(
        pred_bev_seg=truth,
        pred_classes=CLASSES,
        pseudo_target=target.transpose(0, 1)[None],
        pseudo_classes=list(CLASSES),
        bev2img=bev2img,
        road2bev=road2bev,
        img_shape=(60, 120),
        camera_names=['CAM_A', 'CAM_B'],
        **GRID,
    )


def evaluate(*samples):
    metric = ReprojectedIoUMetric(classes=CLASSES)
    for i, sample in enumerate(samples):
        metric.process({}, [{'sample_token': str(i), **sample}])
    return metric.evaluate(len(samples))


def test_the_true_map_explains_its_images(sample):
    metrics = evaluate(sample)
    assert metrics['image/mIoU'] == metrics['image/IoU_marking'] == metrics['image/IoU_drivable_CAM_B'] == 1


def test_counts_are_summed_over_cameras_before_dividing(sample):
    """Camera B's labels are all negative, so what is predicted there only adds to the union."""
    wrong = {**sample, 'pseudo_target': sample['pseudo_target'].clone()}
    target = wrong['pseudo_target'][0]
    positive = (target == 254).flatten(2).sum(-1)  # (N, K)
    target[1][target[1] == 254] = 0
    metrics = evaluate(wrong)
    for k, name in enumerate(CLASSES):
        expected = positive[0, k] / (positive[0, k] + positive[1, k])
        assert metrics[f'image/IoU_{name}'] == pytest.approx(float(expected))
        assert metrics[f'image/IoU_{name}_CAM_A'] == 1
        assert math.isnan(metrics[f'image/IoU_{name}_CAM_B'])


def test_ignored_pixels_do_not_count(sample):
    half = {**sample, 'pseudo_target': sample['pseudo_target'].clone(), 'pred_bev_seg': sample['pred_bev_seg'].clone()}
    half['pred_bev_seg'][:, :, :40] = 0.9  # wrong up to 10 m ahead ...
    half['pseudo_target'][..., 13:, :] = 255  # ... where nothing is labelled
    assert evaluate(half)['image/IoU_marking'] > 0.9
    assert evaluate({**half, 'pseudo_target': sample['pseudo_target']})['image/IoU_marking'] < 0.9


def test_shares_count_as_what_is_the_larger_part(sample):
    soft = {**sample, 'pseudo_target': sample['pseudo_target'].clone()}
    target = soft['pseudo_target']
    target[target == 254] = 128
    target[target == 0] = 127
    assert evaluate(soft)['image/mIoU'] == 1


def test_targets_finer_than_the_image(sample):
    fine = {**sample, 'pseudo_target': sample['pseudo_target'].repeat_interleave(4, -1).repeat_interleave(4, -2)}
    assert evaluate(fine)['image/IoU_drivable'] > 0.95


def test_a_class_that_is_not_predicted_is_named(sample):
    with pytest.raises(ValueError, match=r"\['marking'\] are not among the pred_classes"):
        evaluate({**sample, 'pred_classes': ('drivable', 'crosswalk')})


def test_an_image_size_for_each_view_of_a_detector(sample):
    views = {**sample, 'img_shape': [(50, 110), (50, 110)], 'image_size': (60, 120)}
    assert evaluate(views) == evaluate(sample)


def test_what_is_missing_is_named(sample):
    unlabelled = {key: value for key, value in sample.items() if not key.startswith('pseudo_')}
    with pytest.raises(ValueError, match=r'sample 0 has no pseudo_target, pseudo_classes, .*add LoadPseudoLabels'):
        evaluate(unlabelled)
    with pytest.raises(ValueError, match='ReprojectedIoUMetric has no sample to evaluate'):
        evaluate()


def spoilt(sample, part):
    """The sample with a part of its prediction missing."""
    prediction = sample['pred_bev_seg'].clone()
    prediction[:, :, : 10 * part] = 0
    return {**sample, 'pred_bev_seg': prediction, 'sample_token': f'part{part}'}


def evaluate_share(rank, shares, sample, folder):
    metric = ReprojectedIoUMetric(classes=CLASSES)
    metric.process({}, [spoilt(sample, part) for part in shares[rank]])
    torch.save(metric.evaluate(4), folder / f'{rank}.pt')


@pytest.mark.parametrize('shares', [[[0, 1], [2, 3, 0]], [[3], [0, 1, 2], []]], ids=['two, one twice', 'three'])
def test_processes_with_unequal_shares_give_what_one_gives(sample, tmp_path, shares):
    on_processes(len(shares), evaluate_share, shares, sample, tmp_path)
    expected = evaluate(*(spoilt(sample, part) for part in range(4)))
    assert 0 < expected['image/IoU_drivable'] < 1
    for rank in range(len(shares)):
        assert torch.load(tmp_path / f'{rank}.pt') == expected
