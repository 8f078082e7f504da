"""What was there before many runs is left out of collections, and thawed by whoever froze it."""

import gc

import pytest

from faultloop.search import collector


class Thing:
    """What a collection can see."""


@pytest.fixture(autouse=True)
def thawed():
    """Nothing is frozen when a test begins."""
    gc.unfreeze()


def is_looked_at(thing: object) -> bool:
    return any(each is thing for each in gc.get_objects())


def test_what_was_there_before_is_not_looked_at_until_the_end():
    before = Thing()
    with collector.at_rest():
        since = Thing()
        assert (is_looked_at(before), is_looked_at(since)) == (False, True)
    assert is_looked_at(before)
    assert gc.get_freeze_count() == 0


def test_what_fails_leaves_nothing_frozen():
    with pytest.raises(LookupError), collector.at_rest():
        raise LookupError
    assert gc.get_freeze_count() == 0


def test_what_somebody_else_has_frozen_stays_so_and_nothing_is_added():
    gc.freeze()
    between = Thing()
    with collector.at_rest():
        assert is_looked_at(between)
    assert gc.get_freeze_count() > 0
    assert is_looked_at(between)
