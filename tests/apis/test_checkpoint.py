import os
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from torch import nn

from ssl_bev.apis.checkpoint import load_weights, load_weights_strictly

WEIGHTS = nn.Linear(3, 2).state_dict()


def save(path, content):
    torch.save(content, path)
    return path


def test_a_training_checkpoint_with_logs_and_random_states(tmp_path):
    hub = MessageHub.get_instance('test_checkpoint')
    hub.update_scalar('train/loss', 1.0)
    hub.update_info('score', np.float64(2))
    numpy_state = np.random.RandomState(0).get_state()
    path = save(
        tmp_path / 'epoch_1.pth',
        {'message_hub': hub.state_dict(), 'state_dict': WEIGHTS, 'meta': {'random': numpy_state}},
    )
    weights = load_weights(path)
    assert weights.keys() == WEIGHTS.keys()
    assert all(torch.equal(weights[name], WEIGHTS[name]) for name in WEIGHTS)


def test_a_plain_state_dict_and_the_prefix_of_a_wrapper(tmp_path):
    path = save(tmp_path / 'plain.pth', OrderedDict((f'module.{name}', value) for name, value in WEIGHTS.items()))
    assert load_weights(path).keys() == WEIGHTS.keys()


class Harmful:
    def __init__(self, function, argument):
        self.call = function, (argument,)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize('function', [os.mkdir, os.system, eval])
def test_code_in_a_checkpoint_never_runs(tmp_path, function):
    victim = tmp_path / 'victim'
    argument = {os.mkdir: str(victim), os.system: f'mkdir {victim}', eval: f'__import__("os").mkdir({str(victim)!r})'}
    path = save(tmp_path / 'harmful.pth', {'state_dict': WEIGHTS, 'extra': Harmful(function, argument[function])})
    try:
        assert load_weights(path).keys() == WEIGHTS.keys()
    except ValueError as error:
        assert 'harmful.pth is refused' in str(error)
    assert not victim.exists()


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no checkpoint at .*absent\.pth'):
        load_weights(tmp_path / 'absent.pth')
    whole = save(tmp_path / 'whole.pth', WEIGHTS).read_bytes()
    truncated = tmp_path / 'truncated.pth'
    truncated.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r'truncated\.pth cannot be read as a checkpoint'):
        load_weights(truncated)
    text = tmp_path / 'text.pth'
    text.write_text('no checkpoint')
    with pytest.raises(ValueError, match=r'text\.pth (cannot be read|is refused)'):
        load_weights(text)
    with pytest.raises(ValueError, match=r'empty\.pth holds no state_dict of tensors'):
        load_weights(save(tmp_path / 'empty.pth', {'state_dict': {}}))


def test_strict_loading_names_parameters_and_shapes_and_changes_nothing():
    model = nn.Linear(4, 2, bias=False)
    before = model.weight.clone()
    with pytest.raises(ValueError, match=r'x\.pth does not fit the model') as caught:
        load_weights_strictly(model, WEIGHTS, 'x.pth')
    message = str(caught.value)
    assert 'weight: model (2, 4), checkpoint (2, 3)' in message
    assert 'unknown to the model' in message and 'bias (2,)' in message
    assert torch.equal(model.weight, before)
    with pytest.raises(ValueError, match='1 parameters are missing in the checkpoint:\n    bias'):
        load_weights_strictly(nn.Linear(3, 2), {'weight': WEIGHTS['weight']}, 'x.pth')


def test_strict_loading_takes_fitting_weights():
    model = nn.Linear(3, 2)
    load_weights_strictly(model, WEIGHTS, 'x.pth')
    assert torch.equal(model.weight, WEIGHTS['weight'])
