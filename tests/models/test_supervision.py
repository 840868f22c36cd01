"""Which labels of a sample teach which classes, and which do not fit."""

import pytest
import torch
from toy_segmentor import FINE, images, make_model, make_sample

from ssl_bev.geometry import BEVGrid


def test_an_unlabelled_sample_in_a_mixed_batch_changes_nothing_for_the_labelled_one():
    model = make_model()
    alone = model(images(1), [make_sample(0)], mode='loss')['loss_seg']
    mixed = model(
        dict(img=torch.cat([images(1)['img'], images(1, seed=5)['img']])),
        [make_sample(0), make_sample(1, labelled=False)],
        mode='loss',
    )['loss_seg']
    torch.testing.assert_close(mixed, alone)


def test_labels_are_found_by_name_among_more():
    model, sample = make_model(), make_sample(0)
    expected = model(images(1), [sample], mode='loss')['loss_seg']
    sample.set_metainfo(dict(bev_classes=['thin', *FINE[::-1]]))
    sample.gt_bev_seg = torch.cat([1 - sample.gt_bev_seg[:1], sample.gt_bev_seg.flip(0)])
    torch.testing.assert_close(model(images(1), [sample], mode='loss')['loss_seg'], expected)


def test_labels_that_do_not_belong_to_the_head():
    model, sample = make_model(), make_sample(0)
    sample.set_metainfo(dict(bev_classes=['a', 'b', 'c']))
    with pytest.raises(ValueError, match=r"BEV labels of sample sample0 have the classes \('a', 'b', 'c'\)"):
        model(images(1), [sample], mode='loss')
    sample = make_sample(0)
    sample.set_metainfo(dict(cell_size=0.5))
    with pytest.raises(ValueError, match='sample0 have the grid'):
        model(images(1), [sample], mode='loss')


def test_pseudo_labels_are_those_of_the_last_frames():
    model, sample = make_model(), make_sample(0)
    model.set_loss_weights(dict(reprojection=1.0, perspective=1.0))
    expected = model(images(1), [sample], mode='loss')
    sample.pseudo_target, sample.pseudo_confidence = sample.pseudo_target[1:], sample.pseudo_confidence[1:]
    for name, value in model(images(1), [sample], mode='loss').items():
        torch.testing.assert_close(value, expected[name])
    sample.pseudo_target, sample.pseudo_confidence = sample.pseudo_target[1:], sample.pseudo_confidence[1:]
    message = (
        'sample0 has pseudo-labels of its last 1 frames and needs those of 2; raise num_frames of LoadPseudoLabels'
    )
    with pytest.raises(ValueError, match=message):
        model(images(1), [sample], mode='loss')


def test_accumulated_targets_that_are_missing_or_of_another_kind():
    model = make_model()
    model.set_loss_weights(dict(accumulated=1.0))
    for key, value, message in (
        ('accumulated_classes', ['a', 'b'], 'accumulated targets of sample sample0 have the classes'),
        ('accumulated_grid', BEVGrid((-8, 8), (-4, 4), 0.5), 'accumulated targets of sample sample0 have the grid'),
    ):
        sample = make_sample(0)
        sample.set_metainfo({key: value})
        with pytest.raises(ValueError, match=message):
            model(images(1), [sample], mode='loss')
    sample = make_sample(3)
    del sample.accumulated_probability
    with pytest.raises(
        ValueError, match=r'accumulated \(TargetMapLoss\) needs accumulated_probability, sample sample3'
    ):
        model(images(1), [sample], mode='loss')
