"""Two processes train as one with the joined batch."""

import pytest
import torch
import torch.multiprocessing as mp
from distributed_worker import SWITCHES, make_real_model, step, work


@pytest.fixture(scope='module')
def of_two_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp('distributed')
    mp.spawn(work, args=(str(folder),), nprocs=2)
    return torch.load(folder / 'results.pth', weights_only=True)


@pytest.mark.parametrize('number', range(len(SWITCHES)), ids=lambda n: '+'.join(SWITCHES[n]))
def test_losses_and_gradients_are_those_of_the_joined_batch(of_two_processes, number):
    """Whatever each process's share of labels and confidence is; and through every change of what is trained."""
    losses, gradients = of_two_processes[number]
    model = make_real_model()
    model.set_loss_weights(SWITCHES[number])
    expected_losses, expected = step(model, [0, 1])
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    assert gradients.keys() == expected.keys()
    assert set(expected) == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    for name, gradient in expected.items():
        torch.testing.assert_close(
            gradients[name], gradient, rtol=2e-4, atol=1e-6, msg=lambda m, name=name: f'{name}: {m}'
        )
