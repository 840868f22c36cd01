"""Weights to hand on."""

import pytest
import torch

from ssl_bev.checkpoints import publish


def test_half_floats_and_nothing_of_the_training(tmp_path):
    weights = {'layer.weight': torch.tensor([0.1, -2.0]), 'norm.num_batches_tracked': torch.tensor(7)}
    torch.save({'state_dict': weights, 'optimizer': {'state': {}}, 'meta': {'iter': 3}}, tmp_path / 'epoch_1.pth')
    out = publish(tmp_path / 'epoch_1.pth', tmp_path / 'new' / 'small.pth', {'about': 'a toy'})
    found = torch.load(out, weights_only=True)
    assert found.keys() == {'state_dict', 'meta'} and found['meta'] == {'about': 'a toy'}
    assert found['state_dict']['layer.weight'].dtype == torch.float16
    torch.testing.assert_close(found['state_dict']['layer.weight'].float(), weights['layer.weight'], atol=1e-4, rtol=0)
    assert found['state_dict']['norm.num_batches_tracked'] == 7


def test_values_beyond_half_precision_are_kept(tmp_path):
    weights = {'large': torch.tensor([1.0, -7e4]), 'infinite': torch.tensor([1.0, float('inf')])}
    torch.save({'state_dict': weights, 'meta': {}}, tmp_path / 'epoch_1.pth')
    found = torch.load(publish(tmp_path / 'epoch_1.pth', tmp_path / 'small.pth'), weights_only=True)['state_dict']
    assert torch.equal(found['large'], weights['large'])
    assert found['infinite'].dtype == torch.float16


def test_what_holds_no_weights_is_refused(tmp_path):
    torch.save({'layer.weight': torch.zeros(1)}, tmp_path / 'bare.pth')
    with pytest.raises(ValueError, match=r'bare.pth holds no state_dict'):
        publish(tmp_path / 'bare.pth', tmp_path / 'out.pth')
    assert not (tmp_path / 'out.pth').exists()
