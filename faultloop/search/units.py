"""The parts that an exploration is divided into, and what comes back: plain data, for another process or a file.

Rule 1: a unit says everything about the runs it asks for, so that whoever carries it out comes to the same.
Rule 2: numbers of trials mean what `sweep.trials` lists of a run that all processes have alike.
"""

from __future__ import annotations

import msgspec

from faultloop.deciders.learned import Saved
from faultloop.model.coverage import Coverage
from faultloop.model.faults import PlannedFault
from faultloop.model.trace import Choices, Order

Identity = tuple[str, str, int]
"""What makes a wait the same in two runs: its task's path, its site, and which time."""


Reached = tuple[Identity, int]
"""A wait that a single fault led to, and how many second faults it can have."""

CALM = 0
"""Among the hashes of orders, that of the calm run's."""


class Singles(msgspec.Struct, frozen=True, tag=True):
    """The single faults of the calm run, from `start` up to `stop`."""

    start: int
    stop: int


class Reaching(msgspec.Struct, frozen=True, tag=True):
    """Which waits the single faults from `start` up to `stop` lead to that the calm run does not have."""

    start: int
    stop: int


class Seconds(msgspec.Struct, frozen=True, tag=True):
    """Second faults after the single fault `first`, at these waits. count: how many there are."""

    first: int
    at: tuple[Identity, ...]
    count: int


class Enumerating(msgspec.Struct, frozen=True, tag=True):
    """All orders one after the other, from the one that begins with these answers on, at most `count`."""

    order: Order
    answers: tuple[int, ...]
    count: int


TRIALS_PER_ORDER = 6
"""How many faults are tried on each order drawn: the order is traced once for all of them."""


class Drawing(msgspec.Struct, frozen=True, tag=True):
    """Orders drawn evenly, from this seed on. faulted: how many of them are tried with some of their single faults."""

    order: Order
    seed: int
    count: int
    faulted: int = 0


class Guiding(msgspec.Struct, frozen=True, tag=True):
    """Orders drawn by a strategy. part: which in turn, from 0; the strategy goes on from the part before.

    learned: the tables to begin with where that part was carried out elsewhere.   saves: whether they are wanted back.
    """

    order: Order
    strategy: str
    seed: int
    part: int
    count: int
    learned: Saved | None = None
    saves: bool = False


Unit = Singles | Reaching | Seconds | Enumerating | Drawing | Guiding


def runs_at_most(unit: Unit) -> int:
    """How many runs a unit may come to, where nothing else stops it."""
    match unit:
        case Singles() | Reaching():
            return unit.stop - unit.start
        case Seconds():
            return 1 + unit.count
        case Drawing():
            return unit.count + unit.faulted * (1 + TRIALS_PER_ORDER)
        case Enumerating() | Guiding():
            return unit.count


class Found(msgspec.Struct, frozen=True):
    """A run that failed, and failed again when it was made from its answers.

    at_run: which run of its unit it was, from 1.   causes: see `findings.causes_of`.   count: runs that failed alike.
    """

    at_run: int
    faults: tuple[PlannedFault, ...]
    order: Order
    choices: Choices
    causes: tuple[tuple[str, ...], ...]
    count: int = 1


Hit = tuple[int, int, str]
"""A fault that landed in the calm run: the ordinal of the task, the step with which the wait began, and its kind."""


class Report(msgspec.Struct, frozen=True):
    """What a unit came to.

    runs, tried: runs made, faults that landed.   skipped: what could not be tried, by reason.
    hit: of a Singles, where the faults landed.
    schedules, classes, pairs: hashes of the orders, happens-before classes and ordered pairs of steps seen.
    reached: per fault of a Reaching, the waits that it led to.   is_exhausted: the strategy has nothing left.
    asked: whether any question about the order was asked.   ways: of an Enumerating, how many orders there seem to be.
    following: the answers that the next one begins with.   learned: tables for who goes on elsewhere.
    coverage: what was seen and tried.
    is_cut: the budget was spent, a first failure was enough, or somebody interrupted, before it was done.
    is_interrupted: the last of these.
    """

    runs: int = 0
    tried: int = 0
    skipped: dict[str, int] = {}
    hit: tuple[Hit, ...] = ()
    found: tuple[Found, ...] = ()
    schedules: tuple[int, ...] = ()
    classes: tuple[int, ...] = ()
    pairs: tuple[int, ...] = ()
    reached: tuple[tuple[Reached, ...], ...] = ()
    is_exhausted: bool = False
    asked: bool = True
    ways: int = 0
    following: tuple[int, ...] = ()
    learned: Saved | None = None
    coverage: Coverage | None = None
    is_cut: bool = False
    is_interrupted: bool = False


class Commission(msgspec.Struct, frozen=True):
    """A unit, and what may be spent on it: runs, and seconds of real time; None for as long as it takes.

    stops_at_first: it is over with its first failure.
    """

    unit: Unit
    runs: int
    seconds: float | None
    stops_at_first: bool = False


def key_of(unit: Unit) -> str:
    """What a unit is called in a journal: itself, without what was learned before it."""
    named = msgspec.structs.replace(unit, learned=None) if isinstance(unit, Guiding) else unit
    return msgspec.json.encode(named).decode()
