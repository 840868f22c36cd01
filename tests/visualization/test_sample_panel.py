"""Which BEV labels stand beside a prediction."""

import pytest
import torch

from ssl_bev.structures import BEVDataSample
from ssl_bev.visualization.sample_panel import shown_labels


@pytest.mark.parametrize(
    ('predicted', 'planes', 'names'),
    [
        (('crossing', 'divider'), [2, 0], ['crossing', 'divider']),
        (('marking',), [0, 1, 2], ['divider', 'divider_0.3m', 'crossing']),  # a coarse class has no label
    ],
)
def test_labels_of_the_predicted_classes_without_other_line_widths(predicted, planes, names):
    sample = BEVDataSample()
    sample.bev_classes, sample.pred_classes = ['divider', 'divider_0.3m', 'crossing'], list(predicted)
    sample.gt_bev_seg = torch.arange(3, dtype=torch.uint8)[:, None, None].expand(3, 2, 4)
    labels, shown = shown_labels(sample)
    assert shown == names and labels[:, 0, 0].tolist() == planes and labels.shape[1:] == (2, 4)
