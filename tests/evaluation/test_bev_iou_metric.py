import logging
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.structures import BaseDataElement
from processes import on_processes
from torch import Tensor

from ssl_bev.engine.scene_sampler import deal_scenes
from ssl_bev.evaluation import BEVIoUMetric

GRID = dict(x_range=(-4.0, 4.0), y_range=(-2.0, 2.0), cell_size=1.0)
CLASSES = ('road', 'line')


def sample(
    token: str, probability: Tensor, target: Tensor, classes=CLASSES, pred_classes=None, **grid
) -> BaseDataElement:
    element = BaseDataElement(
        metainfo=dict(sample_token=token, bev_classes=classes, pred_classes=pred_classes or classes, **{**GRID, **grid})
    )
    element.pred_bev_seg, element.gt_bev_seg = probability, target
    return element


def random_samples(number: int, seed: int = 0, classes=CLASSES) -> list[BaseDataElement]:
    generator = torch.Generator().manual_seed(seed)
    shape = (number, len(classes), 4, 8)
    # quantised, so that some probabilities lie exactly on a threshold
    probability = torch.randint(0, 21, shape, generator=generator).float() / 20
    target = torch.tensor([0, 1, 255], dtype=torch.uint8)[torch.randint(0, 3, shape, generator=generator)]
    return [sample(f'token{i}', p, t, classes) for i, (p, t) in enumerate(zip(probability, target, strict=True))]


def evaluate(samples: list[BaseDataElement], classes=CLASSES, size: int | None = None, **options) -> dict[str, float]:
    evaluator = Evaluator(BEVIoUMetric(classes, **{'rings': ((0, 2), (2, 4)), **options}))
    for first in range(0, len(samples), 3):
        evaluator.process(samples[first : first + 3])
    return evaluator.evaluate(len(samples) if size is None else size)


def naive_iou(samples: list[BaseDataElement], k: int, threshold: float, inner: float = 0, outer: float = 99) -> float:
    """Cell by cell, in plain Python."""
    both = either = positive = 0
    for element in samples:
        for row in range(4):
            for column in range(8):
                distance = math.hypot(-4 + column + 0.5, -2 + row + 0.5)
                truth = int(element.gt_bev_seg[k, row, column])
                if truth == 255 or not inner <= distance < outer:
                    continue
                predicted = element.pred_bev_seg[k, row, column].item() >= np.float32(threshold)
                both += predicted and truth
                either += predicted or truth
                positive += truth
    return both / either if positive else math.nan


def test_worked_by_hand() -> None:
    # probability  .9 .6 .5 .4 | .2 .2 .2 .2     truth  1 1 0 1 | 255 0 1 0
    # at 0.5: predicted 3, of them 2 true; positives 4 -> 2 / 5; at 0.6: 2 / 4; at 0.4: 3 / 5; at 0.7: 1 / 4
    probability = torch.tensor([0.9, 0.6, 0.5, 0.4, 0.2, 0.2, 0.2, 0.2]).view(1, 1, 8)
    target = torch.tensor([1, 1, 0, 1, 255, 0, 1, 0], dtype=torch.uint8).view(1, 1, 8)
    result = evaluate(
        [sample('a', probability, target, ('road',), y_range=(-0.5, 0.5))],
        ('road',),
        thresholds=(0.4, 0.6, 0.7),
        chosen_thresholds=dict(road=0.7),
    )
    assert result['bev/IoU_road'] == result['bev/mIoU'] == 2 / 5
    assert result['bev/IoU_best_road'] == 3 / 5
    assert result['bev/threshold_road'] == 0.4
    assert result['bev/IoU_chosen_road'] == result['bev/mIoU_chosen'] == 1 / 4
    # within 2 m of the centre: columns 2 to 5, x = -1.5 .. 1.5; predicted is the 0.5 alone, which is wrong
    assert result['bev/IoU_road_0-2m'] == 0
    # 2 to 4 m: columns 0, 1, 6, 7: predicted .9 and .6, both right; the positive of column 6 is missed
    assert result['bev/IoU_road_2-4m'] == pytest.approx(2 / 3)


def test_exclusive_classes_are_an_argmax_with_background() -> None:
    # road .9 .6 .4 .7    line .8 .7 .3 .7     argmax: road, line, background, road (the first of equals)
    probability = torch.tensor([[0.9, 0.6, 0.4, 0.7], [0.8, 0.7, 0.3, 0.7]]).view(2, 1, 4)
    target = torch.tensor([[1, 1, 0, 1], [1, 1, 0, 0]], dtype=torch.uint8).view(2, 1, 4)
    element = sample('a', probability, target, x_range=(-2.0, 2.0), y_range=(-0.5, 0.5))
    result = evaluate([element], exclusive=True)
    logits = torch.cat([torch.zeros(1, 1, 4), probability.logit()])
    for k, name in enumerate(CLASSES):
        predicted = logits.argmax(0) == k + 1
        both, either = (predicted & (target[k] == 1)).sum(), (predicted | (target[k] == 1)).sum()
        assert result[f'bev/IoU_{name}'] == both.item() / either.item()
    assert (result['bev/IoU_road'], result['bev/IoU_line']) == (2 / 3, 1 / 2)
    assert evaluate([element])['bev/IoU_line'] == 2 / 3


def test_against_a_naive_loop() -> None:
    samples = random_samples(4)
    result = evaluate(samples)
    thresholds = [0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65]
    for k, name in enumerate(CLASSES):
        ious = [naive_iou(samples, k, threshold) for threshold in thresholds]
        assert result[f'bev/IoU_{name}'] == ious[3]
        assert result[f'bev/IoU_best_{name}'] == max(ious)
        assert result[f'bev/threshold_{name}'] == thresholds[int(np.argmax(ious))]
        assert result[f'bev/IoU_{name}_0-2m'] == naive_iou(samples, k, 0.5, 0, 2)
        assert result[f'bev/IoU_{name}_2-4m'] == naive_iou(samples, k, 0.5, 2, 4)
    for key in ('IoU{}', 'IoU_best{}', 'IoU{}_0-2m'):
        mean = np.mean([result['bev/' + key.format(f'_{name}')] for name in CLASSES])
        assert result['bev/m' + key.format('')] == pytest.approx(mean)


def test_more_predicted_cells_at_lower_thresholds_raise_iou_where_all_is_positive() -> None:
    probability = torch.rand(1, 4, 8, generator=torch.Generator().manual_seed(1))
    element = sample('a', probability, torch.ones(1, 4, 8, dtype=torch.uint8), ('road',))
    ious = [evaluate([element], ('road',), thresholds=(t,))['bev/IoU_best_road'] for t in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert ious == sorted(ious, reverse=True)
    assert ious[0] > ious[-1]


def test_a_perfect_and_an_inverted_prediction() -> None:
    target = (torch.rand(2, 4, 8, generator=torch.Generator().manual_seed(2)) > 0.5).to(torch.uint8)
    assert evaluate([sample('a', target.float(), target)])['bev/mIoU'] == 1
    assert evaluate([sample('a', 1 - target.float(), target)])['bev/mIoU'] == 0


def test_a_class_without_positives_is_nan_left_out_of_the_mean_and_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(MMLogger, 'get_current_instance', lambda: logging.getLogger('metric'))
    caplog.set_level('INFO')
    samples = random_samples(2)
    for element in samples:
        element.gt_bev_seg[1][element.gt_bev_seg[1] == 1] = 0
    result = evaluate(samples)
    assert math.isnan(result['bev/IoU_line'])
    assert math.isnan(result['bev/IoU_best_line'])
    assert result['bev/mIoU'] == result['bev/IoU_road']
    assert result['bev/mIoU_best'] == result['bev/IoU_best_road']
    table, warning = (record.message for record in caplog.records)
    assert 'left out of the mean: line' in warning
    assert [line.split()[:2] for line in table.splitlines() if line.startswith(('road', 'line', 'mean'))] == [
        ['road', f'{100 * result["bev/IoU_road"]:.1f}'],
        ['line', '-'],
        ['mean', f'{100 * result["bev/IoU_road"]:.1f}'],
    ]


def test_everything_ignored_is_nan_without_an_error() -> None:
    samples = random_samples(1)
    samples[0].gt_bev_seg.fill_(255)
    assert math.isnan(evaluate(samples)['bev/mIoU'])


def test_repeated_samples_count_once_and_state_is_cleared() -> None:
    samples = random_samples(5)
    assert evaluate(samples + samples[:2], size=5) == evaluate(samples)
    metric = BEVIoUMetric(CLASSES)
    evaluator = Evaluator(metric)
    for _ in range(2):
        evaluator.process(samples)
        result = evaluator.evaluate(5)
    assert result['bev/mIoU'] == evaluate(samples)['bev/mIoU']
    assert not metric.results


def test_counts_kept_do_not_grow_with_the_grid() -> None:
    metric = BEVIoUMetric(CLASSES)
    metric.process(None, [random_samples(1)[0].to_dict()])
    assert metric.counts.first(1).size == 2 * 4 * 2 * 8


def test_classes_are_found_by_name() -> None:
    samples = random_samples(3)
    expected = evaluate(samples)
    for element in samples:
        element.set_metainfo(dict(pred_classes=CLASSES[::-1]))
        element.pred_bev_seg = element.pred_bev_seg.flip(0)
    assert evaluate(samples) == expected
    assert evaluate(samples, ('line',))['bev/mIoU'] == expected['bev/IoU_line']


def test_merged_classes_in_prediction_and_truth_or_in_truth_only() -> None:
    fine = ('lane_divider', 'road_divider', 'road')
    truth = torch.tensor([[1, 0, 255, 0], [0, 0, 1, 255], [1, 1, 1, 1]], dtype=torch.uint8).view(3, 1, 4)
    probability = torch.tensor([[0.9, 0.6, 0.1, 0.9], [0.1, 0.1, 0.8, 0.9], [0, 0, 0, 0]]).view(3, 1, 4)
    grid = dict(x_range=(-2.0, 2.0), y_range=(-0.5, 0.5))
    merge = dict(divider=('lane_divider', 'road_divider'))
    # merged truth 1 0 1 255, merged probability .9 .6 .8 .9: predicted 3 of the 3 that count, 2 of them true
    result = evaluate([sample('a', probability, truth, fine, **grid)], ('divider', 'road'), merge=merge)
    assert result['bev/IoU_divider'] == pytest.approx(2 / 3)
    coarse = torch.tensor([0.9, 0.1, 0.8, 0.9]).view(1, 1, 4)
    result = evaluate([sample('a', coarse, truth, fine, pred_classes=('divider',), **grid)], ('divider',), merge=merge)
    assert result['bev/IoU_divider'] == 1


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(classes=()), 'classes must be different names'),
        (dict(classes=('a', 'a')), 'classes must be different names'),
        (dict(classes=('a',), thresholds=()), 'at least one threshold'),
        (dict(classes=('a',), thresholds=(1.5,)), r'between 0 and 1, got 1\.5'),
        (dict(classes=('a',), rings=((0, 10), (5, 20))), 'without overlap'),
        (dict(classes=('a',), rings=((10, 0),)), 'ascending'),
        (dict(classes=('a',), merge=dict(b=['c'])), r"merge names \['b'\]"),
        (dict(classes=('a', 'b'), chosen_thresholds=dict(a=0.5)), 'chosen_thresholds must name all classes'),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BEVIoUMetric(**options)


def test_without_rings() -> None:
    samples = random_samples(2)
    figures = evaluate(samples)
    assert evaluate(samples, rings=()) == {name: value for name, value in figures.items() if not name.endswith('m')}


def test_bad_samples() -> None:
    element = random_samples(1)[0]
    with pytest.raises(
        ValueError, match=r"class 'lines' .* not in pred_classes; did you mean 'line'\? known: road, line"
    ):
        evaluate([element], ('lines',))
    nan = element.clone()
    nan.pred_bev_seg = element.pred_bev_seg.clone()
    nan.pred_bev_seg[0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match='sample token0: pred_bev_seg must hold probabilities'):
        evaluate([nan])
    other = element.clone()
    other.set_metainfo(dict(cell_size=0.5))
    with pytest.raises(ValueError, match=r'token0: pred_bev_seg is \(2, 4, 8\), its grid \(8, 16\)'):
        evaluate([other])
    unlabelled = element.clone()
    del unlabelled.gt_bev_seg
    with pytest.raises(ValueError, match='sample token0 has no gt_bev_seg'):
        evaluate([unlabelled])
    with pytest.raises(ValueError, match='no sample to evaluate'):
        evaluate([])


def _evaluate_share(rank: int, shares: list[list[int]], size: int, folder: Path) -> None:
    samples = random_samples(size)
    torch.save(evaluate([samples[i] for i in shares[rank]], size=size), folder / f'{rank}.pt')


@pytest.mark.parametrize(
    'shares',
    [
        [[0, 2, 4], [1, 3, 0]],
        [[0], [1, 2, 3, 4]],
        [[0, 1, 2, 3, 4], []],
        [[0, 3], [1, 4], [2, 0]],
        deal_scenes(list('abbbb'), 3),
    ],
    ids=['padded', 'uneven', 'empty', 'three padded', 'three uneven'],
)
def test_processes_give_what_one_gives(tmp_path: Path, shares: list[list[int]]) -> None:
    on_processes(len(shares), _evaluate_share, shares, 5, tmp_path)
    expected = evaluate(random_samples(5))
    for rank in range(len(shares)):
        assert torch.load(tmp_path / f'{rank}.pt') == expected
