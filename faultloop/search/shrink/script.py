"""What a shrinker asks for, what it is told, and what it calls small.

Rule 1: pure. A task is a number, a step is a task and how many steps it has had; nothing here knows a loop.
Rule 2: asked and done are two things. A script is what a run was asked to do; only an attempt says what it did.

There are two bases, the behaviour of a script that asks for nothing. Under `run-on` a task goes on for as long as it is
ready, then the oldest goes: with it, nearly all failures of the order `any` need one or two departures. asyncio's own
order is a round robin instead, in which one task held back shifts all that comes after. Under `oldest` the oldest goes,
which is what the order `batch` departs from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple

from faultloop.model.faults import Delay, Pause, PlannedFault
from faultloop.model.points import Phase

Base = Literal["run-on", "oldest"]

Block = tuple[int, int]
"""A task, and how many steps it runs one after the other."""


class Moment(NamedTuple):
    """A step of a task. nth: from 1."""

    task: int
    nth: int


class Before(NamedTuple):
    """An order of two steps."""

    first: Moment
    then: Moment


@dataclass(frozen=True, slots=True)
class Departure:
    """Where a run did not do what its base would have done.

    at: place in the schedule, from 0.   order: the step that ran, and the one that the base would have run.
    is_preemption: whether the task that was running was ready to go on.
    """

    at: int
    order: Before
    is_preemption: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """The first listed task that is ready goes next, and is crossed off; when none is, what the base says."""

    tasks: tuple[int, ...] = ()
    base: Base = "run-on"


@dataclass(frozen=True, slots=True)
class Orders:
    """The oldest goes next, but where it would break one of these orders and the task that comes first can go on to it.

    `Before(first, then)`: whenever `then` is next, the other task goes instead if it is ready, until `first` has run.
    """

    orders: tuple[Before, ...] = ()


Script = Listing | Orders


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a run really did.

    failed: it failed, and for the same cause.   schedule: the task of each step.   departures: ascending by place.
    """

    failed: bool
    schedule: tuple[int, ...]
    departures: tuple[Departure, ...] = ()

    @property
    def preemptions(self) -> int:
        """How many times a task that could go on had to wait."""
        return sum(departure.is_preemption for departure in self.departures)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The schedule, in blocks."""
        return blocks_of(self.schedule)


class Cost(NamedTuple):
    """What makes one failing run a better explanation than another: the smaller, field by field.

    weight: of the faults, how hard they are to picture.   deviations: preemptions, or where the base is `oldest` the
    orders that it takes; there blocks say nothing and are 0.

    Departures come before blocks: a block that the base runs by itself needs no explanation, a departure does. With
    blocks first, 7 of 38 known bugs ended with departures that did not matter; with departures first, none of them did.
    """

    faults: int
    weight: int
    deviations: int
    departures: int
    blocks: int
    steps: int


def cost_of(script: Script, faults: Sequence[PlannedFault], attempt: Attempt) -> Cost:
    """The cost of a run, made by this script under these faults."""
    runs_on = base_of(script) == "run-on"
    return Cost(
        faults=len(faults),
        weight=sum(weight_of(planned) for planned in faults),
        deviations=attempt.preemptions if runs_on else len(telling(attempt.departures)),
        departures=len(attempt.departures),
        blocks=len(attempt.blocks) if runs_on else 0,
        steps=len(attempt.schedule),
    )


def shortest(script: Script, attempt: Attempt) -> Script:
    """What says the same as a script that made this run, and nothing that its base does by itself."""
    if isinstance(script, Orders):
        return orders_of(attempt.departures)
    enough = attempt.departures[-1].at + 1 if attempt.departures else 0
    return Listing(attempt.schedule[:enough], script.base)


def telling(departures: Sequence[Departure]) -> tuple[Departure, ...]:
    """Those departures of the base `oldest` that say it all: the last step that passes another implies the others."""
    last: dict[tuple[Moment, int], Departure] = {}
    for departure in departures:
        last[departure.order.then, departure.order.first.task] = departure
    return tuple(last.values())


def orders_of(departures: Sequence[Departure]) -> Orders:
    """The orders that make these departures from the base `oldest`."""
    return Orders(tuple(departure.order for departure in telling(departures)))


def base_of(script: Script) -> Base:
    """What the script falls back on."""
    return script.base if isinstance(script, Listing) else "oldest"


_PHASES = {Phase.PARKED: 0, Phase.WOKEN: 1, Phase.RACING: 2}


def weight_of(planned: PlannedFault) -> int:
    """How hard a fault is to picture: the phase first, then how long a delay or a pause lasts."""
    phase = _PHASES[planned.at.phase] << 64
    return phase + planned.fault.nanoseconds if isinstance(planned.fault, Delay | Pause) else phase


def blocks_of(schedule: Iterable[int]) -> tuple[Block, ...]:
    """The steps of one task that follow each other, as one block."""
    return tuple((task, sum(1 for _ in steps)) for task, steps in groupby(schedule))


def steps_of(blocks: Iterable[Block]) -> tuple[int, ...]:
    """The task of each step; `blocks_of`, undone."""
    return tuple(task for task, count in blocks for _ in range(count))
