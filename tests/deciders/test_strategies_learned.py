"""What is learned: it merges in any order, grouping and number; it is bounded; classes are watched where it helps."""

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultloop.deciders import accesses, classes, readsfrom
from faultloop.deciders.accesses import Order
from faultloop.deciders.learned import Learned
from faultloop.deciders.portfolio import Portfolio
from faultloop.deciders.strategies import strategy
from faultloop.deciders.unseen import Fresh
from tests.deciders.bed import Do, Program, line, runs

NAMES = st.sampled_from(["a.py:1", "a.py:2", "b.py:1", "b.py:2"])
OBJECTS = st.sampled_from(["2", "3", "4"])
COUNTS = st.integers(0, 9)
SAVED = st.fixed_dictionaries(
    {
        "accesses": st.dictionaries(OBJECTS, st.dictionaries(st.sampled_from(["1", "2", "3"]), st.integers(1, 9))),
        "footprints": st.dictionaries(NAMES, st.lists(st.tuples(OBJECTS, st.booleans()))),
        "lengths": st.fixed_dictionaries(
            {"steps": st.lists(COUNTS, min_size=1, max_size=1), "tasks": st.lists(COUNTS), "families": st.lists(COUNTS)}
        ),
        "reads": st.lists(st.tuples(OBJECTS, NAMES, st.none() | NAMES, COUNTS)),
        "sites": st.dictionaries(NAMES, COUNTS),
    }
)


def merged(*parts):
    """What tables come to that took in these parts, in a process that numbers sites as they come."""
    table, numbers = Learned(), dict[str, int]()
    for part in parts:
        table.merge(part, lambda name: numbers.setdefault(name, len(numbers) + 1))
    names = {number: name for name, number in numbers.items()}
    return json.loads(json.dumps(table.save(names.__getitem__)))


@settings(max_examples=50, deadline=None)
@given(SAVED, SAVED, SAVED)
def test_merging_is_commutative_associative_and_idempotent(one, two, three):
    assert json.dumps(merged(one, two)) == json.dumps(merged(two, one))
    assert merged(merged(one, two), three) == merged(one, merged(two, three))
    assert merged(one, one) == merged(one)
    assert merged(merged(one, two), two) == merged(one, two)


def test_objects_may_have_names_that_outlive_their_numbers():
    search = strategy("auto", Random(1))
    assert isinstance(search, Portfolio)
    for _ in runs([line(2, 2, (7, True)), line(3, 2, (7, True))], search, 20):
        pass
    saved = search.learned.save(str, lambda number: f"bank.balance/{number}")
    again = Learned()
    again.merge(saved, int, lambda name: int(name.rpartition("/")[2]) + 100)
    assert again.footprints.touching == {107: search.learned.footprints.touching[7]}
    assert list(again.accesses.of) == [107]
    assert {number for number, _, _ in again.reads.tried} == {107}


def busy(tasks: int) -> Program:
    """Objects and sites of its own for every task, and one object for all."""
    return [
        [Do(100 * task + place, touches=((task * 10 + place, True), (1, place % 2 == 0))) for place in range(4)]
        for task in range(2, 2 + tasks)
    ]


def test_tables_are_bounded(monkeypatch: pytest.MonkeyPatch):
    for module, name, most in (
        (accesses, "OBJECTS_MAX", 3),
        (accesses, "NODES_MAX", 40),
        (classes, "ENTRIES_MAX", 500),
        (readsfrom, "PAIRS_MAX", 50),
    ):
        monkeypatch.setattr(module, name, most)
    search = strategy("auto", Random(1), sees_all=True)
    assert isinstance(search, Portfolio)
    for _ in runs(busy(5), search, 300):
        known = search.classes
        assert len(known.known) + len(known.closed) + len(known.ends) <= 500
    learned = search.learned
    assert len(learned.accesses.of) <= 3
    assert sum(nodes(one.order) for one in learned.accesses.of.values() if one.order) < 40 + 8 + 3
    assert 0 < len(learned.reads.tried) < 50 + 20
    assert search.classes.is_full
    assert not search.is_exhausted


def nodes(order: Order) -> int:
    """Without recursion limits in mind: orders here are short."""
    return 1 + sum(nodes(following) for following in order.next.values())


def test_too_many_classes_end_no_search(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(classes, "ENTRIES_MAX", 30)
    program = [line(2, 2, (7, True)), line(3, 2, (7, True)), line(4, 2, (7, True))]
    for name in ("auto", "unseen"):
        search = strategy(name, Random(1), sees_all=True)
        assert len(list(runs(program, search, 300))) == 300


def watched_in(program: Program, count: int) -> list[bool]:
    search, watched = strategy("auto", Random(1)), list[bool]()
    decide = search.decider

    def decider():
        made = decide()
        watched.append(isinstance(made, Fresh))
        return made

    search.decider = decider  # type: ignore[method-assign]
    for _ in runs(program, search, count):
        pass
    return watched


def test_few_runs_are_watched_where_none_meets_another():
    watched = watched_in([line(task, 6, (7, True)) for task in range(2, 10)], 400)
    assert all(watched[:60])
    assert sum(watched[200:]) == 200 // classes.RARELY


def test_all_runs_are_watched_where_they_meet():
    assert all(watched_in([line(2, 2, (7, True)), line(3, 2, (7, True))], 400))
