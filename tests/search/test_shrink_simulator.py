"""A simulator of small concurrent programs, which the shrinker is tested on, and the tests of the simulator.

A program is a function from a World to its root task. Tasks are generators over state that they share: each bare
`yield` ends a step, and `yield condition` also blocks the task until the condition holds. A run fails when a task
raises or when all that are left are blocked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, Protocol

from faultloop.model.faults import PlannedFault
from faultloop.search.shrink import Attempt, Script, follow
from faultloop.search.shrink.attempts import MakeAttempt

Condition = Callable[[], bool]
Body = Generator[Any, None, None]
"""Yields None or a Condition."""
Program = Callable[["World"], Body]
Order = Literal["any", "batch"]
STEPS_MAX = 5_000


class Broken(Exception):
    """What a program claims does not hold."""


def claim(holds: bool, what: str) -> None:
    """An assertion whose message is only its own."""
    if not holds:
        raise Broken(what)


class World:
    """The tasks of one run, by number in order of creation; the root is 0."""

    def __init__(self, program: Program) -> None:
        self.bodies: list[Body] = []
        self.ready: list[int] = []
        self.blocked: dict[int, Condition] = {}
        self.done: set[int] = set()
        self.spawn(program(self))

    def spawn(self, body: Body) -> int:
        """Make a task and let it be ready."""
        self.bodies.append(body)
        self.ready.append(len(self.bodies) - 1)
        return len(self.bodies) - 1

    def joined(self, *tasks: int) -> Condition:
        """To wait until these tasks have ended."""
        return lambda: self.done.issuperset(tasks)

    def step(self, task: int) -> str | None:
        """Run one step of a ready task. Returns what it failed with."""
        self.ready.remove(task)
        try:
            condition = next(self.bodies[task])
        except StopIteration:
            self.done.add(task)
        except Broken as error:
            return str(error)
        else:
            if condition is None or condition():
                self.ready.append(task)
            else:
                self.blocked[task] = condition
        for other, waits_for in list(self.blocked.items()):
            if waits_for():
                del self.blocked[other]
                self.ready.append(other)
        return "deadlock" if self.blocked and not self.ready else None


class Lock:
    """Whoever comes first when it is free has it."""

    def __init__(self) -> None:
        self.is_held = False

    def acquire(self) -> Body:
        """For `yield from`."""
        while self.is_held:
            yield lambda: not self.is_held
        self.is_held = True

    def release(self) -> None:
        self.is_held = False


@dataclass(frozen=True)
class Ended:
    """How a run ended. failure: empty when it passed."""

    failure: str
    schedule: tuple[int, ...]


class Decider(Protocol):
    """What a run needs of one."""

    def pick(self, tasks: list[int], sites: list[int], /) -> int: ...
    def ran(self, task: int, site: int, touched: tuple[()], /) -> object: ...


class AtRandom:
    """Picks at random."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def pick(self, tasks, sites, /):
        return self.random.randrange(len(tasks))

    def ran(self, task, site, touched, /):
        pass


def run(program: Program, decider: Decider, order: Order = "any", *, at_once: bool = False) -> Ended:
    """Run a program. at_once: draw all of a batch before its first step, instead of each when it is its turn."""
    world = World(program)
    schedule: list[int] = []
    turn: list[int] = []
    drawn: list[int] = []
    while (turn or drawn or world.ready) and len(schedule) < STEPS_MAX:
        if order == "any" or not (turn or drawn):
            turn = list(world.ready)
        while turn and (at_once or not drawn):
            index = decider.pick(turn, [0] * len(turn)) if len(turn) > 1 else 0
            drawn.append(turn.pop(index))
            if order == "any":
                break
        task = drawn.pop(0)
        failure = world.step(task)
        schedule.append(task)
        decider.ran(task, 0, ())
        if failure:
            return Ended(failure, tuple(schedule))
    return Ended("", tuple(schedule))


def first_failure(program: Program, order: Order = "any", seeds: int = 500) -> Ended | None:
    """The first failing run of a random search."""
    runs = (run(program, AtRandom(seed), order) for seed in range(seeds))
    return next((ended for ended in runs if ended.failure), None)


def attempts_at(program: Program, failure: str, order: Order = "any", *, at_once: bool = False) -> MakeAttempt:
    """What the shrinker makes its runs with. Faults are taken and have no effect."""

    def attempt(script: Script, faults: tuple[PlannedFault, ...]) -> Attempt:
        decider = follow(script)
        ended = run(program, decider, order, at_once=at_once)
        made = decider.attempt(ended.failure == failure)
        assert made.schedule == ended.schedule
        return made

    return attempt


# The simulator itself


def counting(world: World) -> Body:
    """Two tasks of two steps each."""

    def child() -> Body:
        yield

    tasks = world.spawn(child()), world.spawn(child())
    yield world.joined(*tasks)


class Oldest:
    def pick(self, tasks, sites, /):
        return 0

    def ran(self, task, site, touched, /):
        pass


def test_oldest_first_is_a_round_robin():
    assert run(counting, Oldest()).schedule == (0, 1, 2, 1, 2, 0)
    assert run(counting, Oldest(), "batch").schedule == (0, 1, 2, 1, 2, 0)


def test_a_blocked_task_goes_on_when_its_condition_holds():
    def program(world: World) -> Body:
        lock = Lock()

        def child() -> Body:
            yield from lock.acquire()
            yield
            lock.release()

        yield world.joined(world.spawn(child()), world.spawn(child()))

    assert run(program, Oldest()) == Ended("", (0, 1, 2, 1, 2, 2, 0))


def test_nobody_left_who_could_go_on_is_a_deadlock():
    def program(world: World) -> Body:
        yield lambda: False

    assert run(program, Oldest()) == Ended("deadlock", (0,))
