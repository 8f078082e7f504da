"""What the shrunk case of a known shape is: not only small, but the case that a person would draw.

The shapes are SCTBench's and textbook ones, at each of ten first failures of a random search.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

import pytest

from faultloop.search.shrink import Shrunk, shrink
from tests.search.shrink_words import explain
from tests.search.test_shrink_simulator import (
    AtRandom,
    Body,
    Lock,
    Order,
    Program,
    World,
    attempts_at,
    claim,
    first_failure,
    run,
)

FAILURES = 10


def shrunk_failures(program: Program, order: Order = "any", seeds: int = 4_000) -> list[Shrunk]:
    """Ten failing runs, each shrunk."""
    found: list[Shrunk] = []
    for seed in range(seeds):
        ended = run(program, AtRandom(seed), order)
        if ended.failure:
            result = shrink(ended.schedule, (), attempts_at(program, ended.failure, order), order=order)
            assert result is not None
            found.append(result)
        if len(found) == FAILURES:
            break
    assert found
    return found


def words(result: Shrunk) -> tuple[str, ...]:
    return explain(result, lambda task: f"t{task}")


# Shapes


def reorder(setters: int) -> Program:
    """One task is overtaken between its two writes by the one that reads both."""

    def program(world: World) -> Body:
        state = {"a": 0, "b": 0}

        def setter() -> Body:
            yield
            state["a"] = 1
            yield
            state["b"] = -1

        def checker() -> Body:
            yield
            a = state["a"]
            yield
            claim((a, state["b"]) in ((0, 0), (1, -1)), "half set")

        yield world.joined(*[world.spawn(setter()) for _ in range(setters)], world.spawn(checker()))

    return program


def twostage(pairs: int) -> Program:
    """Two variables, each under a lock of its own: between the two sections they do not agree."""

    def program(world: World) -> Body:
        first, second = Lock(), Lock()
        state = {"a": 0, "b": 0}

        def writer() -> Body:
            yield from first.acquire()
            yield
            state["a"] = 1
            first.release()
            yield
            yield from second.acquire()
            yield
            state["b"] = state["a"] + 1
            second.release()

        def reader() -> Body:
            yield from first.acquire()
            yield
            a = state["a"]
            first.release()
            if a == 0:
                return
            yield
            yield from second.acquire()
            yield
            b = state["b"]
            second.release()
            claim(b == a + 1, "stages differ")

        yield world.joined(*[world.spawn(writer()) for _ in range(pairs)], world.spawn(reader()))

    return program


def lost_update(tasks: int = 2, bystanders: int = 0, length: int = 0) -> Program:
    """Read, wait, write: one write is lost. Bystanders do something else for `length` steps."""

    def program(world: World) -> Body:
        state = {"n": 0}

        def adder() -> Body:
            n = state["n"]
            yield
            state["n"] = n + 1

        def bystander() -> Body:
            for _ in range(length):
                yield

        children = [world.spawn(bystander()) for _ in range(bystanders)]
        children += [world.spawn(adder()) for _ in range(tasks)]
        yield world.joined(*children)
        claim(state["n"] == tasks, "lost update")

    return program


def lock_order(world: World) -> Body:
    """Two locks, taken in two orders."""
    a, b = Lock(), Lock()

    def child(one: Lock, other: Lock) -> Body:
        yield from one.acquire()
        yield
        yield from other.acquire()
        yield
        other.release()
        one.release()

    yield world.joined(world.spawn(child(a, b)), world.spawn(child(b, a)))


def lost_wakeup(world: World) -> Body:
    """A waiter looks, and waits for a signal that came in between."""
    state = {"ready": False, "waiting": False, "signalled": False}

    def waiter() -> Body:
        yield
        if not state["ready"]:
            yield
            state["waiting"] = True
            yield lambda: state["signalled"]

    def signaller() -> Body:
        yield
        state["ready"] = True
        state["signalled"] = state["waiting"]

    yield world.joined(world.spawn(waiter()), world.spawn(signaller()))


def philosophers(count: int) -> Program:
    """All take the left fork."""

    def program(world: World) -> Body:
        forks = [Lock() for _ in range(count)]

        def philosopher(seat: int) -> Body:
            yield from forks[seat].acquire()
            yield
            yield from forks[(seat + 1) % count].acquire()
            yield
            forks[seat].release()
            forks[(seat + 1) % count].release()

        yield world.joined(*[world.spawn(philosopher(seat)) for seat in range(count)])

    return program


def use_before_set(world: World) -> Body:
    """The task that uses is made after the one that sets, and nothing else says so."""
    state = {"set": False}

    def setter() -> Body:
        state["set"] = True
        yield

    def user() -> Body:
        claim(state["set"], "not set")
        yield

    yield world.joined(world.spawn(setter()), world.spawn(user()))


# What they shrink to


@pytest.mark.parametrize("setters", [1, 3, 10, 20])
def test_reorder_is_one_setter_overtaken_between_its_writes(setters: int):
    for result in shrunk_failures(reorder(setters)):
        checker = setters + 1
        assert result.attempt.blocks == ((0, 1), (1, 2), (checker, 3))
        assert result.cost.deviations == 1
        assert words(result) == (f"t{checker} runs between t1's 2nd and 3rd step",)


@pytest.mark.parametrize("pairs", [1, 20])
def test_twostage_is_one_writer_overtaken_between_its_sections(pairs: int):
    for result in shrunk_failures(twostage(pairs)):
        assert len(result.attempt.blocks) == 3
        assert result.cost.deviations == 1
        (line,) = words(result)
        assert line in {f"t{pairs + 1} runs between t1's {n} step" for n in ("2nd and 3rd", "3rd and 4th")}


@pytest.mark.parametrize("tasks", [2, 5])
def test_a_lost_update_is_one_preemption_between_read_and_write(tasks: int):
    for result in shrunk_failures(lost_update(tasks)):
        assert result.cost.departures == 1
        (line,) = words(result)
        assert re.fullmatch(r"t\d runs between t\d's 1st and 2nd step", line)


def test_a_deadlock_by_lock_order_is_one_preemption_between_the_locks():
    for result in shrunk_failures(lock_order):
        assert result.cost.departures == 1
        assert words(result) == ("t2 runs between t1's 1st and 2nd step",)


def test_a_lost_wakeup_is_one_preemption_between_looking_and_waiting():
    for result in shrunk_failures(lost_wakeup):
        assert result.cost.departures == 1
        assert words(result) == ("t2 runs between t1's 2nd and 3rd step",)


@pytest.mark.parametrize(("count", "departures_max"), [(2, 1), (3, 1), (5, 4)])
def test_philosophers_starve_after_one_preemption(count: int, departures_max: int):
    # One is preempted with one fork in hand; the others go in the order in which each then blocks by itself.
    results = shrunk_failures(philosophers(count))
    assert min(result.cost.deviations for result in results) == 1
    for result in results:
        assert result.cost.deviations <= 2
        assert result.cost.departures <= departures_max


def test_a_wrong_start_is_one_order_and_no_preemption():
    for result in shrunk_failures(use_before_set):
        assert result.cost.deviations == 0
        assert words(result) == ("t2 starts before t1",)


@pytest.mark.parametrize("program", [use_before_set, lost_update(2), lock_order])
def test_in_batch_order_a_failure_is_at_most_one_order(program: Program):
    for result in shrunk_failures(program, "batch"):
        assert result.cost.departures <= 1


def test_bystanders_of_a_batch_are_not_mentioned():
    def program(world: World) -> Body:
        """A user and a setter among many, ten turns later."""
        state = {"set": False}

        def late(step: Callable[[], None]) -> Body:
            for _ in range(10):
                yield
            step()

        def bystander() -> Body:
            for _ in range(20):
                yield

        tasks = [world.spawn(bystander()) for _ in range(10)]
        tasks.append(world.spawn(late(lambda: state.update(set=True))))
        tasks.append(world.spawn(late(lambda: claim(state["set"], "not set"))))
        yield world.joined(*tasks)

    for result in shrunk_failures(program, "batch"):
        # Whoever overtakes in the first turn stays ahead: one order, at the start or at the end.
        (order,) = (reason.departure.order for reason in result.reasons)
        assert order.first.task == 12


def test_two_thousand_steps_of_bystanders_cost_no_more_than_the_budget():
    program = lost_update(2, bystanders=20, length=100)
    ended = first_failure(program)
    assert ended is not None
    assert len(ended.schedule) > 2_000
    result = shrink(ended.schedule, (), attempts_at(program, ended.failure))
    assert result is not None
    assert result.attempts <= 300
    assert words(result) == ("t22 runs between t21's 1st and 2nd step",)


def test_a_long_failure_whose_parts_lie_far_apart_is_found_within_the_budget():
    # Eight pairs lose an update each, at other places of 2,000 steps, and the failure needs them all.
    def program(world: World) -> Body:
        values = [0] * 8

        def adder(cell: int, steps: int) -> Body:
            for _ in range(steps):
                yield
            n = values[cell]
            yield
            values[cell] = n + 1

        tasks = [world.spawn(adder(cell, 110 + 4 * cell)) for cell in range(8) for _ in range(2)]
        yield world.joined(*tasks)
        claim(any(value == 2 for value in values), "all lost")

    cells = [(1 + 2 * cell, 2 + 2 * cell) for cell in range(8)]
    random, schedule = Random(1), [0]
    for a, b in random.sample(cells, len(cells)):
        schedule += random.sample([a, b] * 100, 200)
    for pair in cells:
        schedule += [*pair] * 60
    result = shrink(schedule, (), attempts_at(program, "all lost"))
    assert result is not None
    assert result.attempts <= 300
    assert result.cost.deviations <= 16
