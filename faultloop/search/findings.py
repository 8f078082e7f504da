"""What a search has found: failures grouped by cause, each with the run that shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from faultloop.model.coverage import Coverage
from faultloop.model.faults import PlannedFault
from faultloop.model.outcome import Outcome
from faultloop.model.trace import Trace
from faultloop.search.run import Run

UNSTEADY = "a run failed, and not when it was made again: not deterministic?"
"""Why a failure is not told. Where there is no other, nothing can be said of the scenario."""


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
    """Where a search stands.

    runs, runs_max: made, and allowed.   seconds, seconds_max: of real time, used and allowed; None for no limit.
    tried: points tried.   failures: groups of them.   stage: what it does now, in a word or three.
    """

    runs: int
    runs_max: int
    seconds: float
    seconds_max: float | None = None
    tried: int = 0
    failures: int = 0
    stage: str = ""

    @property
    def share(self) -> float:
        """How much of the budget is used, from 0 to 1: of runs or of time, whichever ends first."""
        used = [self.runs / self.runs_max if self.runs_max else 1.0]
        if self.seconds_max:
            used.append(self.seconds / self.seconds_max)
        return min(max(used), 1.0)

    @property
    def runs_per_second(self) -> float | None:
        """On average since the beginning; None as long as there is nothing to tell it from."""
        return self.runs / self.seconds if self.runs and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Until the budget is used up, at the speed so far. A search may well end sooner."""
        left = [] if self.seconds_max is None else [self.seconds_max - self.seconds]
        if (rate := self.runs_per_second) is not None:
            left.append((self.runs_max - self.runs) / rate)
        return max(min(left), 0.0) if left else None


@dataclass(frozen=True, slots=True)
class Exploration:
    """What an exploration came to.

    status: `violated` as soon as one failure was found; `inconclusive`, with a reason, when nothing can be said.
    points: await points of the calm run.   points_tried: those that a fault hit in it.   kinds_tried: the kinds of
    these, in words.   tried: faults tried, wherever.   not_tried: what could not be tried, and why.
    schedules: different orders that were run, by level.   classes: happens-before classes among those watched, as far
    as what is observed tells them apart: there may be more, never fewer; 0 if none was. Orders in which tasks
    are held back up to a bound are not among them.   exhausted: what was tried completely, a sentence each, with its
    bound.
    attempts: runs made to shrink failures, which `runs` does not count.   unseen: modules that were to be observed, and
    are compiled.   coverage: which awaits were seen, and what was tried there.
    """

    status: Literal["passed", "violated", "inconclusive"]
    calm: Run
    reason: str = ""
    runs: int = 0
    seconds: float = 0.0
    points: int = 0
    points_tried: int = 0
    kinds_tried: tuple[str, ...] = ()
    tried: int = 0
    first_failure_run: int | None = None
    failures: tuple[Failure, ...] = ()
    not_tried: tuple[NotTried, ...] = ()
    schedules: int = 1
    classes: int = 1
    exhausted: tuple[str, ...] = ()
    attempts: int = 0
    unseen: tuple[str, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)

    @property
    def awaits_in_words(self) -> str:
        """How many of the calm run's await points were tried: `7`, or `3 of 7`."""
        if self.points_tried in (0, self.points):
            return f"{self.points:,}"
        return f"{self.points_tried:,} of {self.points:,}"

    @property
    def best_effort(self) -> str:
        """Why another exploration may come to something else, in a sentence; nothing where it may not."""
        return self.calm.trace.world.best_effort


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
