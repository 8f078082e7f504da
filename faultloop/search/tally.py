"""What a unit has come to while it is carried out, and what it may still spend."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from faultloop.model.coverage import Counting
from faultloop.search.units import Found, Hit, Report

Alike = tuple[object, ...]
"""What a fast run can tell of why it failed."""


@dataclass(slots=True)
class Tally:
    """What a unit has come to so far. end: an instant of the process's own clock.   stops_at_first: one failure is
    enough.
    """

    runs_max: int
    end: float
    stops_at_first: bool = False
    runs: int = 0
    tried: int = 0
    is_cut: bool = False
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    hit: list[Hit] = field(default_factory=list[Hit])
    found: dict[Alike, Found | None] = field(default_factory=dict[Alike, Found | None])
    schedules: dict[int, None] = field(default_factory=dict[int, None])
    classes: dict[int, None] = field(default_factory=dict[int, None])
    pairs: dict[int, None] = field(default_factory=dict[int, None])
    covered: Counting = field(default_factory=Counting)

    def may_run(self) -> bool:
        """Whether one more run may be made; if not, the unit is cut."""
        if time.perf_counter() >= self.end or self.runs >= self.runs_max or (self.stops_at_first and self.has_found()):
            self.is_cut = True
        return not self.is_cut

    def has_found(self) -> bool:
        """Whether a run failed, and failed again."""
        return any(found is not None for found in self.found.values())

    def skip(self, why: str) -> None:
        """Note something that was left out."""
        self.skipped[why] = self.skipped.get(why, 0) + 1

    def report(self, **more: object) -> Report:
        """All of it. more: what only some units come to."""
        found = tuple(each for each in self.found.values() if each is not None)
        seen = tuple(self.schedules), tuple(self.classes), tuple(self.pairs)
        covered = self.covered.coverage()
        return Report(
            self.runs,
            self.tried,
            self.skipped,
            tuple(self.hit),
            found,
            *seen,
            is_cut=self.is_cut,
            coverage=covered if covered.points else None,
            **more,  # type: ignore[arg-type]
        )
