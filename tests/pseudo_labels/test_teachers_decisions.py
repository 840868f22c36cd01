from functools import partial

import numpy as np
import pytest
import torch
from teacher_oracles import assert_labels, decide_by_queries, decide_by_softmax, label_pixels

from ssl_bev.pseudo_labels.teachers import class_maps
from ssl_bev.pseudo_labels.teachers.class_maps import ClassMaps
from ssl_bev.pseudo_labels.teachers.decisions import by_logits, by_queries, by_scores, by_threshold


def test_a_sure_query_stays_sure_among_many_classes() -> None:
    class_logits = torch.zeros(1, 2, 66)
    class_logits[0, 0, 7] = 50.0  # all of class 7
    class_logits[0, 1, 65] = 50.0  # no object
    masks = torch.logit(torch.tensor([0.9, 0.9])).view(1, 2, 1, 1)
    ids, probability = by_queries(class_logits)(masks)
    assert ids.item() == 7
    assert probability.item() == pytest.approx(1.0)  # no other class has a score


def test_two_queries_share_a_pixel_by_their_scores() -> None:
    class_logits = torch.full((1, 2, 4), -50.0)
    class_logits[0, 0, 1] = class_logits[0, 1, 2] = 50.0
    masks = torch.logit(torch.tensor([0.9, 0.1])).view(1, 2, 1, 1)
    ids, probability = by_queries(class_logits)(masks)
    assert (ids.item(), probability.item()) == (1, pytest.approx(0.9))


def test_where_no_query_is_there_is_no_confidence() -> None:
    ids, probability = by_scores(torch.zeros(1, 3, 1, 2))
    assert ids.tolist() == [[[0, 0]]]
    assert probability.tolist() == [[[0.0, 0.0]]]


def test_logits_and_threshold() -> None:
    ids, probability = by_logits(torch.tensor([0.0, 2.0, 1.0]).view(1, 3, 1, 1))
    assert (ids.item(), probability.item()) == (1, pytest.approx(np.e**2 / (1 + np.e + np.e**2)))
    logits = torch.logit(torch.tensor([0.2, 0.4, 0.8])).view(1, 1, 1, 3)
    ids, probability = by_threshold(0.3)(logits)
    assert ids.tolist() == [[[0, 1, 1]]]
    assert probability.flatten().tolist() == pytest.approx([0.8, 0.4, 0.8])  # of the class that is given


@pytest.mark.parametrize('content', [(4.0, 6.0), (3.5, 5.25)], ids=['whole', 'padded'])
def test_maps_are_labelled_like_pixel_by_pixel(content: tuple[float, float]) -> None:
    generator = torch.Generator().manual_seed(0)
    masks = 4 * torch.randn(2, 3, 4, 6, generator=generator)
    class_logits = 3 * torch.randn(2, 3, 5, generator=generator)
    size = (14, 21)
    cell = size[0] / content[0], size[1] / content[1]
    labels = ClassMaps(masks, content, by_queries(class_logits)).label(size)
    for image in range(2):
        decide = decide_by_queries(class_logits[image].double().numpy())
        expected = label_pixels(masks[image].double().numpy(), cell, size, decide)
        assert_labels((labels[0][image], labels[1][image]), expected)


def test_maps_at_image_size_are_only_cropped() -> None:
    logits = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    ids, confidence = ClassMaps(logits, (5.0, 6.0), by_logits).label((5, 6))
    expected = label_pixels(logits[0].double().numpy(), (1, 1), (5, 6), decide_by_softmax)
    assert_labels((ids[0], confidence[0]), expected)


def test_labels_do_not_depend_on_the_size_of_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = partial(ClassMaps, torch.randn(2, 3, 5, 7), (5.0, 7.0))
    whole = maps(by_logits).label((20, 28))
    seen = []
    monkeypatch.setattr(class_maps, '_PIECE_ON_CPU', 3 * 2 * 3 * 28)  # three rows of both images
    pieces = maps(lambda values: seen.append(values.shape[2]) or by_logits(values)).label((20, 28))
    assert seen == [3] * 6 + [2]
    for a, b in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(a, b)
