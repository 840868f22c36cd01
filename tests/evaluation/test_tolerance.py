"""IoU with a tolerance, against counts by hand."""

from types import EllipsisType

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement

from ssl_bev.evaluation import BEVIoUMetric
from ssl_bev.evaluation.tolerance import dilate

GRID = dict(x_range=(0.0, 1.6), y_range=(-0.4, 0.4), cell_size=0.2)  # 4 rows, 8 columns


def evaluate(predicted: torch.Tensor, target: torch.Tensor, **options) -> dict[str, float]:
    element = BaseDataElement(metainfo=dict(sample_token='a', bev_classes=('line',), pred_classes=('line',), **GRID))
    element.pred_bev_seg, element.gt_bev_seg = predicted[None].float(), target[None].to(torch.uint8)
    evaluator = Evaluator(BEVIoUMetric(['line'], rings=((0, 0.8),), **options))
    evaluator.process([element])
    return evaluator.evaluate(1)


def line(row: int, columns: slice | EllipsisType = ...) -> torch.Tensor:
    cells = torch.zeros(4, 8)
    cells[row, columns] = 1
    return cells


def test_a_line_beside_the_truth_is_right_within_the_tolerance_alone() -> None:
    assert evaluate(line(1), line(2))['bev/IoU_line'] == 0
    assert evaluate(line(1), line(2), tolerance=0.1)['bev/IoU_line'] == 0  # less than a cell
    assert evaluate(line(1), line(2), tolerance=0.2)['bev/IoU_line'] == 1
    assert evaluate(line(0), line(2), tolerance=0.3)['bev/IoU_line'] == 0


def test_precision_and_recall_by_hand() -> None:
    # Five cells predicted, three of them beside the truth or at its end; four true ones, of which three are near those.
    predicted = line(1, slice(0, 3)) + line(3, slice(6, 8))
    metrics = evaluate(predicted, line(0, slice(0, 4)), tolerance=0.2)
    precision, recall = 3 / 5, 3 / 4
    expected = precision * recall / (precision + recall - precision * recall)
    assert metrics['bev/IoU_line'] == pytest.approx(expected)
    assert metrics['bev/IoU_line_0-0.8m'] == pytest.approx(0.75)  # the false ones are further away


def test_unknown_cells_count_nowhere() -> None:
    target = line(0)
    target[1:] = 255
    assert evaluate(line(0) + line(2), target, tolerance=0.2)['bev/IoU_line'] == 1


def test_with_random_maps_the_tolerance_only_helps_and_none_is_the_strict_iou() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted = torch.rand(4, 8, generator=generator)
    target = (torch.rand(4, 8, generator=generator) < 0.3).float()
    strict = evaluate(predicted, target)
    assert evaluate(predicted, target, tolerance=0.05) == pytest.approx(strict)  # counted in the other way
    assert evaluate(predicted, target, tolerance=0.2)['bev/IoU_line'] > strict['bev/IoU_line']


def test_dilation_reaches_by_distance() -> None:
    cells = torch.zeros(1, 7, 7)
    cells[0, 3, 3] = 1
    for radius, count in ((0.9, 1), (1, 5), (1.5, 9), (2, 13)):
        assert dilate(cells, radius).sum() == count
    assert dilate(cells.roll((3, 3), (1, 2)), 1).sum() == 3  # in the corner


def test_no_negative_tolerance() -> None:
    with pytest.raises(ValueError, match='tolerance must not be negative'):
        BEVIoUMetric(['line'], tolerance=-0.2)
