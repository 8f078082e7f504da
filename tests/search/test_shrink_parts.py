"""The parts of the shrinker, each with plain data: deciders, faults, budget, words, stored scripts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from faultloop.model.address import parse_fault
from faultloop.model.faults import PlannedFault
from faultloop.search.shrink import (
    Attempt,
    Before,
    Departure,
    FollowBlocks,
    FollowOrders,
    Listing,
    Moment,
    Orders,
    Script,
    follow,
    shrink,
)
from faultloop.search.shrink.attempts import Attempts
from faultloop.search.shrink.edits import (
    advanced,
    chunks,
    deferred,
    gathered,
    merged,
    next_run,
    pulled_up,
    pushed_back,
    swapped,
)
from faultloop.search.shrink.faults import plainer_faults
from faultloop.search.shrink.follow import Follower
from faultloop.search.shrink.stored import TaskNumbers, read_listing, read_orders, store_listing, store_orders
from tests.search.shrink_words import departure_words, explain, ordinal


def drive(decider: Follower, ready: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Let a decider answer; where one task is ready it is not asked."""
    ran = []
    for tasks in ready:
        task = tasks[decider.pick(tasks, [0] * len(tasks))] if len(tasks) > 1 else tasks[0]
        decider.ran(task, 0, ())
        ran.append(task)
    return tuple(ran)


# Following


def test_the_first_listed_task_that_is_ready_goes():
    assert drive(FollowBlocks(Listing((3, 2, 2, 1))), [(1, 2), (1, 2), (1, 2, 3), (1, 4)]) == (2, 2, 3, 1)


def test_what_ran_unasked_is_crossed_off():
    assert drive(FollowBlocks(Listing((1, 2))), [(1,), (1, 2)]) == (1, 2)


def test_without_a_listing_a_task_runs_on_and_then_the_oldest_goes():
    assert drive(FollowBlocks(Listing()), [(1, 2), (2, 1), (2, 3), (3, 2)]) == (1, 1, 2, 2)
    assert drive(FollowBlocks(Listing((), "oldest")), [(1, 2), (2, 1), (2, 3), (3, 2)]) == (1, 2, 2, 3)


def test_departures_say_who_went_before_whom():
    decider = FollowBlocks(Listing((2, 1)))
    drive(decider, [(1, 2), (1, 2), (1, 2)])
    assert decider.attempt(True) == Attempt(
        True,
        (2, 1, 1),
        (
            Departure(0, Before(Moment(2, 1), Moment(1, 1))),
            Departure(1, Before(Moment(1, 1), Moment(2, 2)), is_preemption=True),
        ),
    )
    assert decider.attempt(True).preemptions == 1
    assert decider.attempt(True).blocks == ((2, 1), (1, 2))


def test_a_departure_that_was_drawn_and_never_ran_is_none():
    decider = FollowBlocks(Listing((2, 3), "oldest"))
    assert decider.pick((1, 2, 3), (0, 0, 0)) == 1
    assert decider.pick((1, 3), (0, 0)) == 1
    decider.ran(2, 0, ())  # and here the run failed
    assert [departure.at for departure in decider.attempt(True).departures] == [0]


def test_orders_hold_the_oldest_back_while_the_other_is_ready():
    orders = Orders((Before(Moment(2, 1), Moment(1, 1)), Before(Moment(3, 2), Moment(1, 2))))
    assert drive(FollowOrders(orders), [(1, 2, 3), (1, 3), (3,), (1, 2)]) == (2, 1, 3, 1)
    assert drive(FollowOrders(orders), [(1, 3), (2, 1), (3, 1)]) == (1, 2, 3)


def test_orders_that_contradict_each_other_end_somewhere():
    circle = Orders((Before(Moment(2, 1), Moment(1, 1)), Before(Moment(1, 1), Moment(2, 1))))
    assert drive(FollowOrders(circle), [(1, 2)])[0] in (1, 2)


def test_a_script_of_another_run_is_followed_by_its_own_numbers():
    # Here the task that the script calls 7 was made first, and has the ordinal 1.
    assert drive(follow(Listing((8,)), {1: 7, 2: 8}.__getitem__), [(1, 2)]) == (2,)
    order = Orders((Before(Moment(8, 1), Moment(7, 1)),))
    assert drive(follow(order, {1: 7, 2: 8}.__getitem__), [(1, 2)]) == (2,)


# Edits


def test_edits():
    assert pushed_back((0, 1, 2, 1), 1) == (0, 2, 1, 1)
    assert pulled_up((0, 1, 2, 1, 2), 2) == (0, 2, 2, 1, 1)
    assert pulled_up((0, 1, 0), 0) == (0, 1, 0)
    assert gathered(((1, 1), (2, 1), (1, 2)), at_last=False) == ((1, 3), (2, 1))
    assert gathered(((1, 1), (2, 1), (1, 2)), at_last=True) == ((2, 1), (1, 3))
    assert list(merged(((1, 1), (2, 1), (1, 2)), 0)) == [(1, 1, 1, 2), (2, 1, 1, 1)]
    assert list(merged(((1, 1), (2, 1), (3, 1), (1, 1)), 0, places=9))[2:] == [(2, 1, 1, 3)]
    assert list(merged(((1, 1), (2, 1)), 0)) == []
    assert list(deferred(((1, 1), (2, 1), (3, 1), (1, 1)), 0, places=9)) == [(2, 1, 3, 1)]
    assert list(deferred(((1, 1), (2, 1), (3, 1)), 0, places=1)) == [(2, 3, 1)]
    assert swapped((0, 1, 1, 2), 1, 2) == (0, 2, 2, 1)
    assert advanced((0, 1, 2, 1), 1, 2, 1) == (0, 2, 1, 1)
    assert advanced((0, 1), 1, 2, 1) == (0, 2, 1)
    assert next_run((0, 1, 2, 2, 1), 1, 2) == 2
    assert next_run((0, 1), 0, 2) == 0


def test_chunks_start_with_all_and_end_with_one():
    assert list(chunks(lambda: 4)) == [(0, 4), (0, 2), (2, 4), (0, 1), (1, 2), (2, 3), (3, 4)]
    assert list(chunks(lambda: 0)) == []
    assert list(chunks(lambda: 3, smallest=4)) == []


def test_chunks_stay_where_something_went():
    left = [1, 2, 3, 4]
    seen = []
    for start, stop in chunks(lambda: len(left)):
        seen.append(tuple(left[start:stop]))
        if left[start:stop] == [1, 2]:
            del left[start:stop]
    assert seen == [(1, 2, 3, 4), (1, 2), (3, 4), (3,), (4,)]


# Faults


def faults(*texts: str) -> tuple[PlannedFault, ...]:
    return tuple(parse_fault(text) for text in texts)


def shrink_faults(given: tuple[PlannedFault, ...], fails) -> tuple[str, ...]:
    def attempt(script: Script, tried: tuple[PlannedFault, ...]) -> Attempt:
        return Attempt(fails([str(fault) for fault in tried]), (0, 1, 1))

    result = shrink((0, 1, 1), given, attempt)
    assert result is not None
    assert result.attempts <= 40
    return tuple(str(fault) for fault in result.faults)


def test_faults_that_do_not_matter_are_dropped():
    given = faults(*(f"cancel t{n} @ work #1 parked" for n in range(10)))
    assert shrink_faults(given, lambda tried: any("t3" in text for text in tried)) == ("cancel t3 @ work #1 parked",)
    assert shrink_faults(given, lambda tried: True) == ()


def test_a_racing_fault_becomes_parked_or_woken_where_that_does_it_too():
    given = faults("cancel t1 @ work #1 racing t2 @ put #1")
    assert shrink_faults(given, lambda tried: bool(tried)) == ("cancel t1 @ work #1 parked",)
    assert shrink_faults(given, lambda tried: "parked" not in "".join(tried) and bool(tried)) == (
        "cancel t1 @ work #1 woken",
    )
    assert shrink_faults(given, lambda tried: "racing" in "".join(tried)) == (str(given[0]),)


def test_a_delay_becomes_the_shortest_round_one():
    def fails(tried: list[str]) -> bool:
        return any(fault.fault.nanoseconds >= 5_000_000 for fault in map(parse_fault, tried))  # type: ignore[union-attr]

    assert shrink_faults(faults("delay:37s t1 @ work #1 woken"), fails) == ("delay:10ms t1 @ work #1 woken",)


def test_plainer_faults_are_all_plainer():
    assert list(plainer_faults(parse_fault("cancel t1 @ work #1 parked"))) == []
    assert [str(f) for f in plainer_faults(parse_fault("delay:2ms t1 @ work #1 parked"))] == [
        "delay:1ms t1 @ work #1 parked"
    ]


# Attempts


def test_nothing_is_run_twice_and_nothing_beyond_the_budget():
    asked: list[Script] = []

    def attempt(script: Script, tried: tuple[PlannedFault, ...]) -> Attempt:
        asked.append(script)
        return Attempt(False, (1,))

    attempts = Attempts(attempt, 2)
    assert attempts.probe(Listing((1,)), ()) is attempts.probe(Listing((1,)), ())
    attempts.probe(Listing((2,)), ())
    assert attempts.probe(Listing((3,)), ()) is None
    assert attempts.cut
    assert asked == [Listing((1,)), Listing((2,))]


# Words


NAMES = {0: "root", 1: "worker-1", 2: "worker-2"}.__getitem__


def test_a_preemption_in_words():
    departure = Departure(3, Before(Moment(2, 1), Moment(1, 3)), is_preemption=True)
    assert departure_words(departure, NAMES) == "worker-2 runs between worker-1's 2nd and 3rd step"


def test_an_order_in_words():
    order = Before(Moment(2, 3), Moment(1, 1))
    assert departure_words(Departure(0, order), NAMES) == "worker-2's 3rd step comes before worker-1's 1st"
    places = {Moment(2, 3): "Pool.acquire"}
    assert (
        departure_words(Departure(0, order), NAMES, lambda moment: places.get(moment, ""))
        == "worker-2's 3rd step (from Pool.acquire) comes before worker-1's 1st"
    )
    start = Before(Moment(2, 1), Moment(1, 1))
    assert departure_words(Departure(0, start), NAMES) == "worker-2 starts before worker-1"


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (12, "12th"), (21, "21st")]
)
def test_ordinals(number: int, text: str):
    assert ordinal(number) == text


def test_faults_are_said_first():
    def attempt(script: Script, tried: tuple[PlannedFault, ...]) -> Attempt:
        return Attempt(bool(tried), (0, 1))

    result = shrink((0, 1), faults("cancel worker-1 @ work #1 parked"), attempt)
    assert result is not None
    assert explain(result, NAMES) == ("cancel worker-1 @ work #1 parked",)


# Stored


def test_a_script_is_stored_by_paths_and_read_back_in_another_numbering():
    paths = ["root", "root/a", "root/b"].__getitem__
    stored = store_listing(Listing((0, 1, 1, 2)), paths)
    assert stored == (("root", 1), ("root/a", 2), ("root/b", 1))
    numbers = TaskNumbers()
    numbers.number("root/b")
    assert read_listing(stored, numbers.number) == Listing((1, 2, 2, 0))
    assert store_listing(read_listing(stored, numbers.number), numbers.path) == stored


def test_orders_are_stored_by_paths():
    paths = ["root", "root/a", "root/b"]
    orders = Orders((Before(Moment(2, 1), Moment(1, 3)),))
    stored = store_orders(orders, paths.__getitem__)
    assert stored == (("root/b", 1, "root/a", 3),)
    assert read_orders(stored, paths.index) == orders


def test_what_cannot_be_a_step_is_refused():
    with pytest.raises(ValueError, match="at least 1 step"):
        read_listing([("root", 0)], TaskNumbers().number)
    with pytest.raises(ValueError, match="count from 1"):
        read_orders([("root", 0, "root/a", 1)], TaskNumbers().number)
