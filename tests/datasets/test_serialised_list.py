import pytest

from ssl_bev.datasets.serialised_list import SerialisedList


def test_items_come_back_in_order_and_as_copies():
    items = [{'a': [1, 2]}, 'two', None]
    serialised = SerialisedList.of(items)

    assert list(serialised) == items
    serialised[0]['a'].append(3)
    assert serialised[0] == {'a': [1, 2]}


@pytest.mark.parametrize('position', [-1, 2])
def test_a_position_outside_raises(position):
    with pytest.raises(IndexError, match=str(position)):
        SerialisedList.of([1, 2])[position]


def test_it_may_be_empty():
    assert list(SerialisedList.of([])) == []
