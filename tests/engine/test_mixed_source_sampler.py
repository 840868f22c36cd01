import itertools

import pytest
from mmengine.dataset import ConcatDataset

from ssl_bev.engine import MixedSourceSampler, mixed_source_sampler


class Source(list):
    metainfo: dict = {}


def sources(*sizes: int):
    """What the sampler reads of a ConcatDataset."""
    dataset = ConcatDataset.__new__(ConcatDataset)
    dataset.datasets = [Source(range(size)) for size in sizes]
    return dataset


def batches_of(sampler, size):
    indices = list(sampler)
    assert len(indices) == len(sampler)
    return [indices[i : i + size] for i in range(0, len(indices), size)]


def test_every_batch_has_its_share_of_each_source() -> None:
    batches = batches_of(MixedSourceSampler(sources(3, 10), per_batch=[1, 2], batches=6, seed=1), 3)
    assert len(batches) == 6
    for first, *others in batches:
        assert first < 3 and all(3 <= index < 13 for index in others)
    labelled = [batch[0] for batch in batches]
    assert sorted(labelled[:3]) == sorted(labelled[3:]) == [0, 1, 2]  # each round is complete
    unlabelled = [index for batch in batches for index in batch[1:]]
    assert sorted(unlabelled[:10]) == list(range(3, 13))


def test_one_dataset_is_one_source_and_by_default_an_epoch_sees_all() -> None:
    assert sorted(MixedSourceSampler(Source(range(4)), per_batch=[2], seed=0)) == [0, 1, 2, 3]
    assert len(MixedSourceSampler(sources(3, 10), per_batch=[1, 2], seed=0)) == 5 * 3


def test_epochs_differ_and_are_a_function_of_seed_and_epoch() -> None:
    def epoch(seed, number):
        sampler = MixedSourceSampler(sources(5, 50), per_batch=[1, 1], batches=10, seed=seed)
        sampler.set_epoch(number)
        return list(sampler)

    assert epoch(3, 7) == epoch(3, 7)
    assert len({tuple(epoch(seed, number)) for seed, number in itertools.product((3, 40), (7, 8))}) == 4


def test_processes_share_the_sources_without_overlap(monkeypatch) -> None:
    seen = []
    for rank in range(2):
        monkeypatch.setattr(mixed_source_sampler, 'get_dist_info', lambda rank=rank: (rank, 2))
        sampler = MixedSourceSampler(sources(4, 8), per_batch=[1, 2], seed=5)
        assert sampler.batches == 2
        seen += list(sampler)
    assert sorted(seen) == list(range(12))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(per_batch=[1]), r'one number for each of the 2 sources, got \(1,\)'),
        (dict(per_batch=[1, 0]), 'must be at least 1'),
        (dict(per_batch=[1, 1], batches=0), 'must be at least 1'),
    ],
)
def test_bad_arguments_are_named(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        MixedSourceSampler(sources(2, 3), **arguments)
