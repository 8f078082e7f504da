"""A fault at steps that are known by number."""

from __future__ import annotations

from dataclasses import dataclass

from faultloop.model.faults import Fault
from faultloop.model.points import Phase


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault by numbers.

    parked: the step in which the victim's wait began.   at: for `parked` the same step; for `woken` the step that would
    resume it; for `racing` the other task's step.   victim: the task's ordinal; 0 is whichever task ran that step. They
    differ for an eager task, whose first wait begins in its parent's step.
    """

    fault: Fault
    phase: Phase
    parked: int
    at: int
    victim: int = 0

    @property
    def stops(self) -> tuple[int, ...]:
        """The steps that have to be seen."""
        return (self.at,) if self.phase is Phase.WOKEN else (self.parked, self.at)
