"""A trace as lanes, one for each task: when it ran, where it waited, who woke it. What pictures are drawn of.

Rule 1: pure. It reads events and draws nothing: pages and exports do.
Rule 2: a task's spans are in order and do not overlap; where a wait began that nobody saw end, the span is open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from faultloop.model.trace import Event, Trace

Fate = Literal["over", "lost", "open"]
"""How a wait ended: the task went on · it was woken, but a fault took what it was woken with · it never went on."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of the run. event: index into the trace's events.   t: virtual nanoseconds."""

    event: int
    step: int
    t: int


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait of a task, from the step that ended in it to the step that went on.

    site: index into the trace's sites, -1 if unknown.   woken: when its wait was over; None if that was not seen.
    by: index of the task that woke it, -1 for none.   end: when the task went on; None if it never did.
    """

    task: int
    site: int
    nth: int
    begin: Moment
    woken: Moment | None = None
    by: int = -1
    end: Moment | None = None
    fate: Fate = "open"


@dataclass(frozen=True, slots=True)
class Life:
    """A task from its making to its end. by: the task that made it, -1 for none.   end: None if it never did."""

    task: int
    begin: Moment
    by: int = -1
    end: Moment | None = None
    how: str = ""


@dataclass(frozen=True, slots=True)
class Lanes:
    """All that happened, by kind. lives: one for each task, by index.   waits: by their beginning.

    turns: the steps that a task ran, as (task, moment of its end), in order.   marks: faults, held wake-ups and notes,
    as indices of events.   last: where the run ended.
    """

    lives: tuple[Life, ...]
    waits: tuple[Wait, ...]
    turns: tuple[tuple[int, Moment], ...]
    marks: tuple[int, ...]
    last: Moment


def lanes_of(trace: Trace) -> Lanes:
    """Sort a trace's events into lanes."""
    reading = _Reading(len(trace.tasks))
    for number, event in enumerate(trace.events):
        reading.take(number, event)
    return reading.result(trace)


class _Reading:
    def __init__(self, tasks: int) -> None:
        start = Moment(0, 0, 0)
        self._lives = [Life(task, start) for task in range(tasks)]
        self._waits: list[Wait] = []
        self._open: dict[int, int] = {}  # a task's current wait, by its index in _waits
        self._turns: list[tuple[int, Moment]] = []
        self._marks: list[int] = []

    def take(self, number: int, event: Event) -> None:
        moment = Moment(number, event.step, event.t)
        match event.ev:
            case "spawn":
                self._lives[event.task] = Life(event.task, moment, event.by)
            case "await":
                self._turn(event.task, moment)
                self._open[event.task] = len(self._waits)
                self._waits.append(Wait(event.task, event.site, event.nth, moment))
            case "wake":
                self._change(event.task, woken=moment, by=event.by)
            case "end":
                self._turn(event.task, moment)
                life = self._lives[event.task]
                self._lives[event.task] = Life(life.task, life.begin, life.by, moment, event.text)
            case "fault":
                self._marks.append(number)
                self._hit(event.task)
            case "hold" | "note":
                self._marks.append(number)
            case "time":
                pass

    def result(self, trace: Trace) -> Lanes:
        events = trace.events
        last = Moment(len(events) - 1, events[-1].step, events[-1].t) if events else Moment(0, 0, 0)
        return Lanes(tuple(self._lives), tuple(self._waits), tuple(self._turns), tuple(self._marks), last)

    def _turn(self, task: int, moment: Moment) -> None:
        """The task ran a step: what it waited for is over."""
        self._turns.append((task, moment))
        if (at := self._open.pop(task, None)) is not None:
            wait = self._waits[at]
            fate: Fate = "lost" if wait.fate == "lost" else "over"
            self._waits[at] = Wait(
                wait.task, wait.site, wait.nth, wait.begin, wait.woken, wait.by, end=moment, fate=fate
            )

    def _change(self, task: int, *, woken: Moment, by: int) -> None:
        if (at := self._open.get(task)) is not None:
            wait = self._waits[at]
            if wait.woken is None:  # what woke it first is what it goes on with
                self._waits[at] = Wait(wait.task, wait.site, wait.nth, wait.begin, woken, by, fate=wait.fate)

    def _hit(self, task: int) -> None:
        """A fault that lands on a task that is woken already takes what it was woken with."""
        if (at := self._open.get(task)) is not None:
            wait = self._waits[at]
            if wait.woken is not None and wait.by >= 0:
                self._waits[at] = Wait(wait.task, wait.site, wait.nth, wait.begin, wait.woken, wait.by, fate="lost")


def flows(waits: Iterable[Wait]) -> list[Wait]:
    """The waits that another task of the run ended: who woke whom."""
    return [wait for wait in waits if wait.woken is not None and wait.by not in (-1, wait.task)]
