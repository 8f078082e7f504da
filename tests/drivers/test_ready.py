"""The ready queue's orders, on plain entries: who may pass whom, and that nothing is lost or given out twice."""

import contextvars
from collections.abc import Iterator
from itertools import islice
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultloop.drivers.looking import LookingAny, LookingBatch, LookingOrder
from faultloop.drivers.ready import (
    ABSENT,
    WINDOW,
    AnyOrder,
    BatchOrder,
    Choose,
    Entry,
    FifoOrder,
    Ordering,
    ReadyQueue,
    is_callback,
)
from tests.support.length import times

PROPERTY = settings(max_examples=times(150), deadline=None)
CONTEXT = contextvars.Context()


class Plain:
    """The runner of a plain callback."""

    def run(self, callback: object, /, *args: object) -> object:
        raise AssertionError("an ordering runs nothing")


PLAIN = Plain()


def entry(number: int, *, is_step: bool) -> Entry:
    """An entry whose argument is its number: what the tests tell entries by."""
    return (CONTEXT if is_step else PLAIN, lambda: None, number)


def push(queue: ReadyQueue, kinds: str, *, first: int = 0) -> None:
    """Queue one entry a letter: `s` is a task's step, `c` a plain callback."""
    for number, kind in enumerate(kinds, first):
        if kind == "s":
            queue.push(entry(number, is_step=True))
        else:
            queue.push_callback(entry(number, is_step=False))


def numbers(entries: Iterator[Entry]) -> list[int]:
    return [number for _, _, number in entries]


def keep_nothing(answer: int, options: int) -> None:
    """For an order whose answers are of no interest."""


def orders(queue: ReadyQueue, choose: Choose) -> dict[str, Ordering]:
    return {
        "fifo": FifoOrder(queue),
        "batch": BatchOrder(queue, choose),
        "any": AnyOrder(queue, choose),
        "any, unbounded": AnyOrder(queue, choose, hold=None),
        "looking": LookingOrder(queue, lambda ready: choose(len(ready)), keep_nothing),
        "looking batch": LookingBatch(queue, lambda ready: choose(len(ready)), keep_nothing),
        "looking any": LookingAny(queue, lambda ready: choose(len(ready)), keep_nothing, hold=2),
    }


NAMES = tuple(orders(ReadyQueue(), lambda _: 0))
each_order = pytest.mark.parametrize("name", NAMES)
kinds = st.text("sc", max_size=40)
batches = st.lists(st.text("sc", max_size=8), max_size=8)


def drawing(seed: int) -> Choose:
    random = Random(seed)
    return random.randrange


def run_through(queue: ReadyQueue, ordering: Ordering, batches: list[str]) -> list[tuple[int, str, int]]:
    """Push one batch in the middle of each turn, then run until nothing is pending.

    Returns (number, kind, turn) in the order given out.
    """
    out: list[tuple[int, str, int]] = []
    pushed = 0
    turn = 0
    todo = list(batches)
    while todo or ordering.pending():
        turn += 1
        assert turn < 500
        if todo and not ordering.pending():
            batch = todo.pop(0)
            push(queue, batch, first=pushed)
            pushed += len(batch)
        for count, given_out in enumerate(ordering.turn()):
            out.append((given_out[2], "c" if is_callback(given_out) else "s", turn))
            if count == 1 and todo:
                batch = todo.pop(0)
                push(queue, batch, first=pushed)
                pushed += len(batch)
    return out


@each_order
@PROPERTY
@given(batches, st.integers())
def test_each_entry_is_given_out_exactly_once(name: str, batches: list[str], seed: int):
    queue = ReadyQueue()
    out = run_through(queue, orders(queue, drawing(seed))[name], batches)
    assert sorted(number for number, _, _ in out) == list(range(sum(map(len, batches))))


@each_order
@PROPERTY
@given(batches, st.integers())
def test_callbacks_keep_their_order(name: str, batches: list[str], seed: int):
    queue = ReadyQueue()
    out = run_through(queue, orders(queue, drawing(seed))[name], batches)
    callbacks = [number for number, kind, _ in out if kind == "c"]
    assert callbacks == sorted(callbacks)


@each_order
@PROPERTY
@given(batches, st.integers())
def test_a_step_never_passes_an_older_callback(name: str, batches: list[str], seed: int):
    queue = ReadyQueue()
    out = run_through(queue, orders(queue, drawing(seed))[name], batches)
    for place, (number, kind, _) in enumerate(out):
        if kind == "s":
            assert not [later for later, other, _ in out[place:] if other == "c" and later < number], out


@pytest.mark.parametrize("name", [name for name in NAMES if name != "looking"])
@PROPERTY
@given(batches)
def test_the_answer_0_everywhere_is_fifo(name: str, batches: list[str]):
    queue = ReadyQueue()
    out = run_through(queue, orders(queue, lambda _: 0)[name], batches)
    assert [number for number, _, _ in out] == sorted(number for number, _, _ in out)


@PROPERTY
@given(batches, st.integers())
def test_batch_keeps_turns_apart(batches: list[str], seed: int):
    """What is queued during a turn waits for the next: a task is passed only by those that were ready with it."""
    queues = ReadyQueue(), ReadyQueue()
    drawn = run_through(queues[0], BatchOrder(queues[0], drawing(seed)), batches)
    plain = run_through(queues[1], FifoOrder(queues[1]), batches)
    assert sorted((turn, number) for number, _, turn in drawn) == [(turn, number) for number, _, turn in plain]


def test_batch_can_give_every_order_of_steps():
    seen: set[tuple[int, ...]] = set()
    for first in range(3):
        for second in range(2):
            queue = ReadyQueue()
            push(queue, "sss")
            answers = [second, first]
            seen.add(tuple(numbers(BatchOrder(queue, lambda _: answers.pop()).turn())))  # noqa: B023  # drawn at once
    assert len(seen) == 6


def test_batch_lets_a_callback_pass_steps_that_were_ready_before_it():
    queue = ReadyQueue()
    push(queue, "sc")
    assert numbers(BatchOrder(queue, lambda options: options - 1).turn()) == [1, 0]


def test_a_lone_entry_is_no_question():
    asked: list[int] = []

    def choose(options: int) -> int:
        asked.append(options)
        return 0

    for name in ("batch", "any"):
        for kind in "sc":
            queue = ReadyQueue()
            push(queue, kind)
            assert numbers(orders(queue, choose)[name].turn()) == [0]
    assert asked == []


@pytest.mark.parametrize("name", ["fifo", "batch"])
@PROPERTY
@given(kinds, kinds, st.integers(0, 40), st.integers())
def test_a_broken_off_turn_puts_back_what_it_did_not_give_out(name: str, ready: str, new: str, cut: int, seed: int):
    """Broken off in the middle of a turn: the rest stands before what was queued meanwhile, in the order drawn."""
    queue, twin = ReadyQueue(), ReadyQueue()
    push(queue, ready)
    push(twin, ready)
    whole = numbers(orders(twin, drawing(seed))[name].turn())
    ordering = orders(queue, drawing(seed))[name]
    turn = ordering.turn()
    given_out = numbers(islice(turn, cut))
    push(queue, new, first=len(ready))
    ordering.put_back(turn)
    left = numbers(iter(queue.entries))
    assert given_out + left == whole + list(range(len(ready), len(ready) + len(new)))
    first_callback = next((i for i, e in enumerate(queue.entries) if is_callback(e)), -1)
    assert queue.barrier == first_callback


@pytest.mark.parametrize("name", NAMES)
@PROPERTY
@given(kinds, kinds, st.integers(0, 40), st.integers())
def test_after_a_broken_off_turn_nothing_is_lost_and_no_rule_is_broken(
    name: str, ready: str, new: str, cut: int, seed: int
):
    queue = ReadyQueue()
    push(queue, ready)
    ordering = orders(queue, drawing(seed))[name]
    turn = ordering.turn()
    out = list(islice(turn, cut))
    push(queue, new, first=len(ready))
    ordering.put_back(turn)
    while ordering.pending():
        out.extend(ordering.turn())
    assert sorted(numbers(iter(out))) == list(range(len(ready) + len(new)))
    callbacks = [e[2] for e in out if is_callback(e)]
    assert callbacks == sorted(callbacks)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "fifo"])
@pytest.mark.parametrize("tail", ["", "c", "cs"])
def test_at_most_a_window_of_candidates_and_a_callback_is_offered(name: str, tail: str):
    queue = ReadyQueue()
    asked: list[int] = []

    def choose(options: int) -> int:
        asked.append(options)
        return options - 1

    push(queue, "s" * (WINDOW + 50) + tail)
    out = numbers(orders(queue, choose)[name].turn())
    assert sorted(out) == list(range(WINDOW + 50 + len(tail)))
    assert max(asked) <= WINDOW + bool(tail)


def test_answers_stay_within_what_was_offered_when_steps_join_behind_a_callback():
    queue = ReadyQueue()
    push(queue, "sscsscs")
    asked: list[int] = []

    def choose(options: int) -> int:
        asked.append(options)
        return options - 1

    # The last option is the callback while one waits, then the youngest step.
    assert numbers(BatchOrder(queue, choose).turn()) == [2, 5, 6, 4, 3, 1, 0]
    assert asked == [3, 5, 5, 4, 3, 2]


@pytest.mark.parametrize("hold", range(4))
@pytest.mark.parametrize("tasks", [2, 3, 7])
def test_any_holds_nobody_back_longer_than_the_bound(hold: int, tasks: int):
    """Tasks that are always ready again, and a decider that never takes the oldest: it comes at last all the same.

    The turn at whose beginning a task is ready does not count: it may be held back for `hold` turns after that one.
    """
    queue = ReadyQueue()
    push(queue, "s" * tasks)
    ordering = AnyOrder(queue, lambda options: options - 1, hold=hold)
    ready_since: dict[int, int] = {}
    longest = 0
    for turn in range(1, 40):
        for number in range(tasks):
            ready_since.setdefault(number, turn)
        for given_out in ordering.turn():
            longest = max(longest, turn - ready_since.pop(given_out[2], turn))
            queue.push(given_out)
    assert longest == hold + 1


def test_any_without_a_bound_can_hold_a_task_back_for_ever():
    queue = ReadyQueue()
    push(queue, "ss")
    ordering = AnyOrder(queue, lambda options: options - 1, hold=None)
    for _ in range(50):
        for given_out in ordering.turn():
            assert given_out[2] == 1
            queue.push(given_out)


def test_absent_is_not_none_and_says_so():
    assert repr(ABSENT) == "ABSENT"
