"""Stored explanations behave as a sequence, and hold nothing."""

from collections.abc import Sequence

import pytest

from mlflow_lime.core.stored import StoredExplanations, blocks, chosen, kept, keys_of
from tests.strategies import make_explanation, make_label

ITEMS = [make_explanation([make_label([0.1 * i])], key=f"{i:02d} #a") for i in range(7)]


@pytest.fixture
def looks():
    return []


@pytest.fixture
def stored(looks):
    def read(places):
        for place in places:
            looks.append(place)
            yield ITEMS[place]

    return StoredExplanations(read, range(7), [item.key for item in ITEMS])


def test_it_is_a_sequence_of_what_is_stored(stored):
    assert isinstance(stored, Sequence)
    assert list(stored) == ITEMS
    assert list(stored) == ITEMS  # again
    assert (len(stored), stored[2], stored[-1]) == (7, ITEMS[2], ITEMS[-1])
    assert ITEMS[4] in stored
    assert list(reversed(stored)) == ITEMS[::-1]


@pytest.mark.parametrize("cut", [slice(None), slice(2, 5), slice(None, None, -2), slice(9, 20)])
def test_slices_are_stored_too(stored, looks, cut):
    part = stored[cut]
    assert looks == []
    assert list(part) == ITEMS[cut]
    assert part.keys == [item.key for item in ITEMS[cut]]
    assert repr(part) == f"<{len(ITEMS[cut])} stored explanations>"


@pytest.mark.parametrize("index", [7, -8])
def test_a_place_that_is_not_there(stored, index):
    with pytest.raises(IndexError):
        stored[index]


def test_keys_are_known_without_a_look(stored, looks):
    assert keys_of(stored) == keys_of(ITEMS)
    assert looks == []


def test_choosing_reads_nothing_and_filtering_reads_once(stored, looks):
    assert list(chosen(stored, [4, 1])) == list(chosen(ITEMS, [4, 1])) == [ITEMS[4], ITEMS[1]]
    looks.clear()
    heavy = kept(stored, lambda item: item.labels[0].weights[0] > 0.25)
    assert looks == list(range(7))
    assert list(heavy) == list(kept(ITEMS, lambda item: item.labels[0].weights[0] > 0.25))


def test_a_change_is_made_when_an_item_is_looked_at(stored, looks):
    bare = stored.changed(lambda item: item.redacted())
    assert looks == []
    assert bare[3].parts == ITEMS[3].names
    assert [item.parts for item in bare[5:]] == [item.names for item in ITEMS[5:]]


def test_blocks_hold_no_more_than_their_size():
    assert [len(block) for block in blocks(range(10), 4)] == [4, 4, 2]
    assert list(blocks([], 4)) == []
