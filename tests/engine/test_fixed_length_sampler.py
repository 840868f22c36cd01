import itertools

import pytest

from ssl_bev.engine import FixedLengthSampler, fixed_length_sampler


def test_an_epoch_has_its_length_and_each_round_is_complete() -> None:
    few = FixedLengthSampler(range(3), batch_size=2, batches=6, seed=1)
    indices = list(few)
    assert len(indices) == len(few) == 12
    rounds = {tuple(indices[i : i + 3]) for i in range(0, 12, 3)}
    assert len(rounds) > 1 and all(sorted(each) == [0, 1, 2] for each in rounds)
    many = list(FixedLengthSampler(range(50), batch_size=2, batches=6, seed=1))
    assert len(many) == len(set(many)) == 12


def test_epochs_differ_and_are_a_function_of_seed_and_epoch() -> None:
    def epoch(seed, number):
        sampler = FixedLengthSampler(range(50), batch_size=1, batches=10, seed=seed)
        sampler.set_epoch(number)
        return list(sampler)

    assert epoch(3, 7) == epoch(3, 7)
    assert len({tuple(epoch(seed, number)) for seed, number in itertools.product((3, 40), (7, 8))}) == 4


def test_processes_share_the_samples_without_overlap(monkeypatch) -> None:
    seen = []
    for rank in range(2):
        monkeypatch.setattr(fixed_length_sampler, 'get_dist_info', lambda rank=rank: (rank, 2))
        seen += list(FixedLengthSampler(range(12), batch_size=2, batches=3, seed=5))
    assert sorted(seen) == list(range(12))


@pytest.mark.parametrize('numbers', [dict(batch_size=0, batches=1), dict(batch_size=1, batches=0)])
def test_numbers_below_1_are_named(numbers) -> None:
    message = 'batch_size and batches must be at least 1, got {batch_size} and {batches}'.format(**numbers)
    with pytest.raises(ValueError, match=message):
        FixedLengthSampler(range(3), **numbers)


def test_an_empty_dataset_is_refused() -> None:
    with pytest.raises(ValueError, match='needs a dataset with at least one sample'):
        FixedLengthSampler([], batch_size=1, batches=1)
