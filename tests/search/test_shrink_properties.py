"""What holds of every shrink, on programs made at random."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from faultloop.search.shrink import Shrunk, blocks_of, follow, shrink, steps_of
from tests.search.shrink_words import explain
from tests.search.test_shrink_simulator import (
    Body,
    Ended,
    Lock,
    Order,
    Program,
    World,
    attempts_at,
    claim,
    first_failure,
    run,
)
from tests.support.length import times

Op = tuple[str, int]
OPS = st.one_of(
    st.tuples(st.sampled_from(["read", "write", "lock", "unlock", "check"]), st.integers(0, 1)),
    st.just(("pause", 0)),
)
PROGRAMS = st.lists(st.lists(OPS, min_size=1, max_size=6), min_size=2, max_size=5)


def program_of(tasks: list[list[Op]]) -> Program:
    """Tasks that read, write, lock and check two variables. A check fails when one is not what the task wrote last."""

    def program(world: World) -> Body:
        values, locks = [0, 0], [Lock(), Lock()]

        def child(number: int, ops: list[Op]) -> Body:
            seen: dict[int, int] = {}
            held: set[int] = set()
            for op, x in ops:
                yield
                if op == "read":
                    seen[x] = values[x]
                elif op == "write":
                    values[x] = seen[x] = seen.get(x, 0) + number
                elif op == "check":
                    claim(seen.get(x, values[x]) == values[x], f"lost {x}")
                elif op == "lock" and x not in held:
                    yield from locks[x].acquire()
                    held.add(x)
                elif op == "unlock" and x in held:
                    held.remove(x)
                    locks[x].release()
            for x in held:
                locks[x].release()

        yield world.joined(*[world.spawn(child(number, ops)) for number, ops in enumerate(tasks, start=1)])

    return program


def failing(tasks: list[list[Op]], order: Order) -> tuple[Program, Ended]:
    program = program_of(tasks)
    ended = first_failure(program, order, seeds=20)
    assume(ended is not None)
    assert ended is not None
    return program, ended


def shrunk(program: Program, ended: Ended, order: Order, **options: int) -> Shrunk:
    result = shrink(ended.schedule, (), attempts_at(program, ended.failure, order), order=order, **options)
    assert result is not None
    return result


RELAXED = settings(deadline=None, max_examples=times(60), suppress_health_check=[HealthCheck.filter_too_much])


@RELAXED
@given(PROGRAMS, st.sampled_from(["any", "batch"]))
def test_the_result_is_what_its_script_really_does(tasks: list[list[Op]], order: Order):
    program, ended = failing(tasks, order)
    result = shrunk(program, ended, order)
    again = run(program, follow(result.script), order)
    assert (again.failure, again.schedule) == (ended.failure, result.attempt.schedule)


@RELAXED
@given(PROGRAMS, st.sampled_from(["any", "batch"]), st.integers(1, 60))
def test_cost_never_grows_and_the_budget_holds(tasks: list[list[Op]], order: Order, budget: int):
    program, ended = failing(tasks, order)
    result = shrunk(program, ended, order, budget=budget)
    assert result.cost <= result.before
    assert result.attempts <= budget


@RELAXED
@given(PROGRAMS, st.sampled_from(["any", "batch"]))
def test_shrinking_what_is_shrunk_changes_nothing(tasks: list[list[Op]], order: Order):
    program, ended = failing(tasks, order)
    once = shrunk(program, ended, order)
    assume(once.is_complete)
    twice = shrunk(program, Ended(ended.failure, once.attempt.schedule), order)
    assert (twice.script, twice.cost, twice.reasons) == (once.script, once.cost, once.reasons)


@RELAXED
@given(PROGRAMS, st.sampled_from(["any", "batch"]))
def test_the_same_failure_shrinks_the_same_way(tasks: list[list[Op]], order: Order):
    program, ended = failing(tasks, order)
    assert shrunk(program, ended, order) == shrunk(program, ended, order)


@RELAXED
@given(PROGRAMS, st.sampled_from(["any", "batch"]))
def test_a_reason_that_matters_has_a_passing_neighbour(tasks: list[list[Op]], order: Order):
    program, ended = failing(tasks, order)
    result = shrunk(program, ended, order)
    assert len(result.reasons) == len(result.attempt.departures)
    for reason in result.reasons:
        if reason.matters:
            assert reason.neighbour is not None
            assert run(program, follow(reason.neighbour), order).failure != ended.failure
    assert len(explain(result, str)) == sum(reason.matters is not False for reason in result.reasons)


@RELAXED
@given(PROGRAMS)
def test_an_order_is_followed_alike_when_a_turn_is_drawn_at_once(tasks: list[list[Op]]):
    # The loop draws the order of a whole turn before its first step; the shrinker must not notice.
    program, ended = failing(tasks, "batch")
    lazily = shrink(ended.schedule, (), attempts_at(program, ended.failure, "batch"), order="batch")
    at_once = shrink(ended.schedule, (), attempts_at(program, ended.failure, "batch", at_once=True), order="batch")
    assert lazily == at_once


@given(st.lists(st.integers(0, 3), max_size=30))
def test_blocks_say_the_whole_schedule(schedule: list[int]):
    assert steps_of(blocks_of(schedule)) == tuple(schedule)


def test_a_run_that_does_not_fail_again_is_not_shrunk():
    program = program_of([[("pause", 0)], [("pause", 0)]])
    assert shrink((0, 1, 2), (), attempts_at(program, "lost 0")) is None


@pytest.mark.parametrize("budget", [1, 2, 10])
def test_a_small_budget_gives_the_best_so_far_and_says_that_more_was_left(budget: int):
    tasks: list[list[Op]] = [[("write", 0), ("check", 0)] for _ in range(5)]
    ended = first_failure(program_of(tasks))
    assert ended is not None
    result = shrunk(program_of(tasks), ended, "any", budget=budget)
    assert not result.is_complete
