"""The decoder by itself."""

import pytest
import torch
from torch import nn
from toy_segmentor import COARSE, FINE, GRID, make_model

from ssl_bev.models import BEVSegHead


def test_fine_rows_start_from_their_parents():
    head = make_model().seg_head
    head.init_fine_from_coarse()
    assert head.parent == (0, 1, 1)
    torch.testing.assert_close(head.fine.weight[1], head.coarse.weight[1])
    torch.testing.assert_close(head.fine.weight[2], head.coarse.weight[1])
    torch.testing.assert_close(head.fine.bias[0], head.coarse.bias[0])


def test_new_classes_keep_their_own_start():
    head = BEVSegHead(
        4, GRID, ('road', 'walkway', 'line'), dict(drivable=['road'], marking=['line']),
        channels=8, num_upsamples=1, new_classes=('walkway',),
    )  # fmt: skip
    before = head.fine.weight[1].clone()
    head.init_fine_from_coarse()
    torch.testing.assert_close(head.fine.weight[1], before, rtol=0, atol=0)
    torch.testing.assert_close(head.fine.weight[2], head.coarse.weight[1])


def test_bad_head_arguments():
    arguments = dict(in_channels=8, grid=GRID, classes=FINE, coarse_classes=COARSE)
    with pytest.raises(ValueError, match='exactly once'):
        BEVSegHead(**{**arguments, 'coarse_classes': dict(drivable=['drivable_area'])})
    for wrong in (dict(new_classes='walk'), dict(coarse_classes=dict(drivable='walk'))):
        with pytest.raises(ValueError, match=r"must be lists of names, got \['walk'\]"):
            BEVSegHead(**{**arguments, **wrong})
    with pytest.raises(ValueError, match=r'BEVSegHead has no argument loss any more; use objectives=dict\(seg='):
        BEVSegHead(**arguments, loss=dict(type='SegmentationLoss'))
    with pytest.raises(ValueError, match="predict_classes must be 'fine' or 'coarse'"):
        BEVSegHead(**arguments, predict_classes='all')
    for size, steps in (((3, 3), 1), ((2, 4), 1), ((4, 8), 3), ((4, 8), 0), ((16, 32), 1)):
        message = rf'features of \({size[0]}, {size[1]}\) and {steps} doublings do not give the label grid \(8, 16\)'
        with pytest.raises(ValueError, match=message):
            BEVSegHead(**arguments, num_upsamples=steps)(torch.zeros(1, 8, *size))


def test_the_last_upsampling_goes_to_the_label_grid():
    """From 3 x 6 cells over 6 x 12 to 8 x 16: a cell that lights up stays where it is in metres."""
    head = BEVSegHead(in_channels=1, channels=8, num_upsamples=2, grid=GRID, classes=FINE, coarse_classes=COARSE)
    head.blocks = nn.ModuleList(nn.Identity() for _ in range(3))
    head.fine = head.coarse = nn.Identity()
    bev = torch.zeros(1, 1, 3, 6)
    bev[..., 1, 2] = 1.0  # its centre is 1.5/3 of the height and 2.5/6 of the width
    logits = head(bev)['fine'][0, 0]
    assert logits.shape == (8, 16)
    rows, columns = torch.arange(8) + 0.5, torch.arange(16) + 0.5
    center = [(logits.sum(1) * rows).sum() / logits.sum() / 8, (logits.sum(0) * columns).sum() / logits.sum() / 16]
    torch.testing.assert_close(torch.stack(center), torch.tensor([1.5 / 3, 2.5 / 6]), atol=0.01, rtol=0)
