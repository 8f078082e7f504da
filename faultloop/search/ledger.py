"""What an exploration has come to so far, and what it may still spend."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from faultloop.model.coverage import Counting
from faultloop.search.findings import Cause, Progress
from faultloop.search.units import CALM, Found, Hit, Report, Unit, runs_at_most

OnProgress = Callable[[Progress], None]


@dataclass(slots=True)
class Ledger:
    """The budget and the results of one exploration.

    runs_max: runs.   began, end: instants of the process's own clock.   stops_at_first: one failure is enough.
    """

    runs_max: int
    began: float
    end: float = float("inf")
    stops_at_first: bool = False
    on_progress: OnProgress | None = None
    stage: str = "calm run"
    runs: int = 0
    reserved: int = 0
    tried: int = 0
    first: int | None = None
    is_cut: bool = False
    """Whether anything was left out for want of runs or time."""
    found: dict[Cause, Found] = field(default_factory=dict[Cause, Found])
    """Per cause: the run that showed it first, with its number in the exploration."""
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    hit: set[Hit] = field(default_factory=set[Hit])
    """Where the faults tried on the calm run landed."""
    schedules: set[int] = field(default_factory=lambda: {CALM})
    classes: set[int] = field(default_factory=set[int])
    exhausted: list[str] = field(default_factory=list[str])
    covered: Counting = field(default_factory=Counting)

    @classmethod
    def opened(
        cls, runs: int, time_limit: float | None, stops_at_first: bool, on_progress: OnProgress | None
    ) -> Ledger:
        """A budget that begins now. time_limit: seconds of real time, or None."""
        now = time.perf_counter()
        return cls(runs, now, now + time_limit if time_limit is not None else float("inf"), stops_at_first, on_progress)

    def is_over(self) -> bool:
        """Whether there is nothing more to do, whatever is under way."""
        return (self.stops_at_first and bool(self.found)) or time.perf_counter() >= self.end

    def may_run(self) -> bool:
        """Whether the budget allows one more run."""
        may = not self.is_over() and self.runs + self.reserved < self.runs_max
        self.is_cut = self.is_cut or not may
        return may

    def allow(self, unit: Unit) -> tuple[int, float | None]:
        """What may be spent on a unit, in runs and in seconds, and keep it from being given out twice."""
        left = max(self.runs_max - self.runs - self.reserved, 0)
        self.reserved += runs_at_most(unit)
        seconds = None if self.end == float("inf") else max(self.end - time.perf_counter(), 0.0)
        return left, seconds

    def enter(self, unit: Unit, report: Report) -> None:
        """Take in what a unit came to."""
        self.reserved = max(self.reserved - runs_at_most(unit), 0)
        for found in report.found:
            self._note(found)
        self.runs += report.runs
        self.tried += report.tried
        self.is_cut = self.is_cut or report.is_cut
        for why, count in report.skipped.items():
            self.skipped[why] = self.skipped.get(why, 0) + count
        self.hit.update(report.hit)
        self.schedules.update(report.schedules)
        self.classes.update(report.classes)
        if report.coverage is not None:
            self.covered.add(report.coverage)
        self.tell()

    def tell(self) -> None:
        """Tell how far it is."""
        if self.on_progress is None:
            return
        seconds_max = None if self.end == float("inf") else self.end - self.began
        seconds = time.perf_counter() - self.began
        self.on_progress(
            Progress(self.runs, self.runs_max, seconds, seconds_max, self.tried, len(self.found), self.stage)
        )

    def _note(self, found: Found) -> None:
        at_run = self.runs + found.at_run
        self.first = at_run if self.first is None else self.first
        cause = next((cause for cause in found.causes if cause in self.found), found.causes[-1])
        known = self.found.get(cause)
        self.found[cause] = (
            msgspec.structs.replace(found, at_run=at_run)
            if known is None
            else msgspec.structs.replace(known, count=known.count + found.count)
        )
