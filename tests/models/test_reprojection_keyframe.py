"""Reprojection on real input: a free BEV map, fitted to the 2-D labels of one nuScenes keyframe."""

import pytest
import torch
from mmdet3d.registry import DATASETS

import ssl_bev.datasets  # noqa: F401  (registers the dataset)
from ssl_bev.evaluation import ReprojectedIoUMetric
from ssl_bev.geometry import BEVGrid, reproject
from ssl_bev.models import ReprojectionHead
from ssl_bev.targets import IGNORE

GRID = BEVGrid((-30, 30), (-15, 15), 0.125)
CLASSES = ('drivable', 'marking')
START = -2.0  # logit


def load(folder, stride, ignore_cameras=()):
    labels = dict(
        type='LoadPseudoLabels', root=str(folder), label_map='mapillary_v1', classes=CLASSES, stride=stride,
        label_file='labels/{camera}.png', confidence_file=None, manifest=None, ignore_cameras=list(ignore_cameras),
    )  # fmt: skip
    resize = dict(type='ResizeCropFlipImages', size=(320, 800), training=False)
    pipeline = [dict(type='LoadBEVImages'), resize, labels, dict(type='PackBEVInputs')]
    infos = next(folder.glob('*.pkl')).name
    dataset = dict(
        type='NuScenesBEVDataset', data_root=str(folder), ann_file=infos, with_labels=False, pipeline=pipeline
    )
    return DATASETS.build(dataset)[0]['data_samples']


def fit(sample, steps=30):
    """A map of its own for the keyframe, by gradient descent on the reprojection loss alone."""
    head = ReprojectionHead(dict(type='SegmentationLoss'), area_power=0.3)
    logits = torch.full((1, len(CLASSES), *GRID.shape), START, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.5)
    for _ in range(steps):
        optimizer.zero_grad()
        head.compare(
            logits, GRID, sample.bev2img, sample.road2bev, (320, 800), sample.pseudo_target, sample.pseudo_confidence
        ).backward()
        optimizer.step()
    return logits.detach().sigmoid()[0]


def evaluate(sample, prediction, **changes):
    metric = ReprojectedIoUMetric(CLASSES)
    grid = dict(x_range=GRID.x_range, y_range=GRID.y_range, cell_size=GRID.cell_size)
    metric.process({}, [{**sample.to_dict(), **changes, **grid, 'pred_bev_seg': prediction, 'pred_classes': CLASSES}])
    return metric.evaluate(1)


def labels_on_learned_ground(sample, prediction):
    """The labels of the pixels whose ground a gradient has reached; the others are ignored."""
    learned = (prediction != torch.tensor(START).sigmoid()).float()[None]
    projected, *_ = reproject(learned, GRID, sample.bev2img, sample.road2bev, (320, 800), 2)
    return torch.where(projected.transpose(1, 2) == 1, sample.pseudo_target, IGNORE)


@pytest.mark.parametrize('left_out', [None, 'CAM_FRONT_RIGHT'])
def test_a_fitted_map_explains_the_images(keyframe_dir, left_out):
    """Also that of a camera whose labels were left out, on ground that its neighbours see."""
    prediction = fit(load(keyframe_dir, stride=2, ignore_cameras=[left_out] if left_out else []))
    truth = load(keyframe_dir, stride=2)
    if left_out is None:
        metrics = evaluate(truth, prediction)
        assert metrics['image/IoU_drivable'] > 0.9
        assert metrics['image/IoU_marking'] > 0.45
    else:
        metrics = evaluate(truth, prediction, pseudo_target=labels_on_learned_ground(truth, prediction))
        assert metrics[f'image/IoU_drivable_{left_out}'] > 0.9
        assert metrics[f'image/IoU_marking_{left_out}'] > 0.3
    assert prediction[0].min() < 0.2  # not simply road everywhere
