"""What a search has found: failures grouped by cause, each with the run that shows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from faultloop.model.faults import PlannedFault
from faultloop.model.trace import Trace
from faultloop.search.run import Run


@dataclass(frozen=True, slots=True)
class Failure:
    """One cause of failure: the runs that failed alike, told by the first of them.

    kind: the outcome's status.   fault: the faults as text, empty when the order alone shows it.   deviations: answers
    that were not calm.   order: the weakest order level it was seen at.   count: how many runs failed like it.
    """

    trace: Trace
    kind: str
    message: str
    fault: str
    run: Run
    deviations: int = 1
    order: str = "fifo"
    count: int = 1


@dataclass(frozen=True, slots=True)
class NotTried:
    """Faults that could not be tried, for one reason, and how many."""

    reason: str
    count: int

    def __str__(self) -> str:
        return f"{self.count} x {self.reason}"


@dataclass(frozen=True, slots=True)
class Exploration:
    """What an exploration came to.

    status: `violated` as soon as one failure was found; `inconclusive`, with a reason, when nothing can be said.
    points: await points of the calm run.   tried: faults tried.   not_tried: what could not be tried, and why.
    schedules: different orders that were run.   exhausted: what was tried completely, a sentence each, with its bound.
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
    exhausted: tuple[str, ...] = ()


@dataclass(slots=True)
class Tally:
    """What a search has seen so far, and whether it may go on.

    runs_max, end: the budget, in runs and as an instant of the process's own clock.   on_progress: as for `explore`.
    """

    runs_max: int
    end: float = float("inf")
    on_progress: Callable[[int, int], None] | None = None
    runs: int = 0
    tried: int = 0
    first: int | None = None
    failures: dict[tuple[str, ...], Failure] = field(default_factory=dict[tuple[str, ...], Failure])
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    schedules: set[int] = field(default_factory=set[int])
    exhausted: list[str] = field(default_factory=list[str])

    def may_run(self) -> bool:
        """Whether the budget allows one more run. Asked before every one."""
        if self.on_progress is not None:
            self.on_progress(self.runs, self.runs_max)
        return self.runs < self.runs_max and time.perf_counter() < self.end

    def share(self, parts: int) -> Callable[[], bool]:
        """Whether one of so many equal parts of what is left of the budget allows one more run."""
        now = time.perf_counter()
        runs_max = self.runs + (self.runs_max - self.runs) // parts
        end = now + (self.end - now) / parts
        return lambda: self.may_run() and self.runs < runs_max and time.perf_counter() < end

    def skip(self, why: str) -> None:
        """Note that a fault could not be tried."""
        self.skipped[why] = self.skipped.get(why, 0) + 1

    def note(self, run: Run, planned: tuple[PlannedFault, ...], *, at_run: int) -> None:
        """Note a run that failed. at_run: the number of the run that first showed it."""
        self.first = self.first or at_run
        outcome = run.trace.outcome
        cause = next((c for c in causes_of(run, planned) if c in self.failures), causes_of(run, planned)[-1])
        known = self.failures.get(cause)
        if known is not None:
            self.failures[cause] = replace(known, count=known.count + 1)
            return
        fault = "; ".join(map(str, planned))
        trace = run.trace
        self.failures[cause] = Failure(
            trace, outcome.status.value, outcome.message, fault, run, trace.deviations, trace.order
        )


def causes_of(run: Run, planned: tuple[PlannedFault, ...]) -> list[tuple[str, ...]]:
    """What makes two failures one: where and when their faults hit, and how and where they failed.

    The last one is the cause itself. Those before it leave out faults: if one of them is known, a single fault is
    enough to explain this failure, and the other faults are only in the way.
    """
    outcome = run.trace.outcome
    counted = next((finding.check for finding in outcome.findings if finding.counts), "")
    how = (outcome.raised.type, outcome.raised.place) if outcome.raised is not None else (outcome.status.value, counted)
    hits = [f"{p.at.where} {p.at.phase.value} {type(p.fault).__name__}" for p in planned]
    return [*((hit, *how) for hit in hits if len(hits) > 1), (*hits, *how)]
