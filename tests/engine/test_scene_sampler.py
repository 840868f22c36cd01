import pytest

from ssl_bev.engine import SceneContiguousSampler
from ssl_bev.engine.scene_sampler import deal_scenes


class Scenes:
    scene_tokens = list('aaabbcccc')

    def __len__(self) -> int:
        return len(self.scene_tokens)


def test_one_process_gets_everything_in_order() -> None:
    assert list(SceneContiguousSampler(Scenes(), seed=3)) == list(range(9))


@pytest.mark.parametrize('num_shares', [1, 2, 3, 5])
def test_scenes_stay_whole_and_samples_come_once(num_shares: int) -> None:
    shares = deal_scenes(Scenes.scene_tokens, num_shares)
    assert sorted(index for share in shares for index in share) == list(range(9))
    assert all(share == sorted(share) for share in shares)
    for scene in 'abc':
        assert sum(scene in {Scenes.scene_tokens[index] for index in share} for share in shares) == 1


def test_shares_are_balanced() -> None:
    assert sorted(len(share) for share in deal_scenes(Scenes.scene_tokens, 2)) == [4, 5]


def test_a_dataset_without_scenes_is_refused() -> None:
    with pytest.raises(ValueError, match=r'needs dataset\.scene_tokens; list has none'):
        SceneContiguousSampler([1, 2])
