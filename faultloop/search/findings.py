"""What a search has found: failures grouped by cause, each with the run that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faultloop.model.faults import PlannedFault
from faultloop.model.outcome import Outcome
from faultloop.model.trace import Trace
from faultloop.search.run import Run


@dataclass(frozen=True, slots=True)
class Failure:
    """One cause of failure: the runs that failed alike, told by the smallest of them.

    kind: the outcome's status.   fault: the faults as text, empty when the order alone shows it.   deviations: answers
    that were not calm, or departures from the base of a schedule that was shrunk.   order: the weakest order level that
    shows it.   count: how many runs failed like it.   attempts: runs that shrinking took.   is_shrunk: it came to its
    end.   at_run: the run that first showed it, from 1.
    """

    trace: Trace
    kind: str
    message: str
    fault: str
    run: Run
    deviations: int = 1
    order: str = "fifo"
    count: int = 1
    attempts: int = 0
    is_shrunk: bool = True
    at_run: int = 1


@dataclass(frozen=True, slots=True)
class NotTried:
    """Faults that could not be tried, for one reason, and how many."""

    reason: str
    count: int

    def __str__(self) -> str:
        return f"{self.count} x {self.reason}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an exploration is. seconds: of real time.   seconds_max: None for as long as it takes."""

    stage: str
    runs: int
    runs_max: int
    seconds: float
    seconds_max: float | None
    tried: int
    failures: int


@dataclass(frozen=True, slots=True)
class Exploration:
    """What an exploration came to.

    status: `violated` as soon as one failure was found; `inconclusive`, with a reason, when nothing can be said.
    points: await points of the calm run.   tried: faults tried.   not_tried: what could not be tried, and why.
    schedules: different orders that were run.   classes: happens-before classes among those that were watched, as far
    as what is observed tells them apart.   exhausted: what was tried completely, a sentence each, with its bound.
    attempts: runs made to shrink failures, which `runs` does not count.
    """

    status: Literal["passed", "violated", "inconclusive"]
    calm: Run
    reason: str = ""
    runs: int = 0
    seconds: float = 0.0
    points: int = 0
    tried: int = 0
    first_failure_run: int | None = None
    failures: tuple[Failure, ...] = ()
    not_tried: tuple[NotTried, ...] = ()
    schedules: int = 1
    classes: int = 0
    exhausted: tuple[str, ...] = ()
    attempts: int = 0


Cause = tuple[str, ...]


def how_of(outcome: Outcome) -> Cause:
    """How and where a run failed, whatever was done to it."""
    if outcome.raised is not None:
        return (outcome.raised.type, outcome.raised.place)
    counted = next((finding.check for finding in outcome.findings if finding.counts), "")
    return (outcome.status.value, counted, *sorted(f"{wait.where} {wait.needs}" for wait in outcome.waiting))


def causes_of(outcome: Outcome, planned: tuple[PlannedFault, ...]) -> list[Cause]:
    """What makes two failures one: where and when their faults hit, and how and where they failed.

    The last one is the cause itself. Those before it leave out faults: if one of them is known, a single fault is
    enough to explain this failure, and the other faults are only in the way.
    """
    how = how_of(outcome)
    hits = [f"{p.at.where} {p.at.phase.value} {type(p.fault).__name__}" for p in planned]
    return [*((hit, *how) for hit in hits if len(hits) > 1), (*hits, *how)]
