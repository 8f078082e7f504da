"""One fault in a fast run, at step numbers known from an earlier run that gave the same answers.

Up to the fault the two runs are the same run, so numbers are exact; nothing is counted or looked up on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from faultloop.drivers.asyncio_faults import Injector
from faultloop.drivers.asyncio_loop import Loop
from faultloop.drivers.asyncio_turns import HELD
from faultloop.drivers.ready import Entry
from faultloop.model.faults import Fault
from faultloop.model.points import Phase

NO_STOP = 1 << 62


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault by numbers. parked: the step that suspended the victim.

    at: `parked` the same step; `woken` the step that would resume it; `racing` the other task's step.
    """

    fault: Fault
    phase: Phase
    parked: int
    at: int


class Sweeper:
    """The watcher of a swept run: sees the one or two turns that matter, and what a fault drags behind it."""

    def __init__(self, loop: Loop, strike: Strike) -> None:
        self.injector = Injector(loop)
        self.next_stop = strike.at if strike.phase is Phase.WOKEN else strike.parked
        self.has_landed = False
        self.obstacle = ""
        self._loop = loop
        self._strike = strike
        self._victim: Any = None
        loop.watcher = self

    def before_step(self, task: Any, argument: Any, entry: Entry) -> Any:
        """Strike the woken victim, or the one that races this step."""
        strike = self._strike
        if self._loop.step == strike.at and not self.has_landed and not self.obstacle:
            if strike.phase is Phase.WOKEN:
                argument = self._land(task, argument, is_woken=True)
            elif strike.phase is Phase.RACING and self._victim is not None:
                self._land(self._victim, argument)
        if self.injector.is_busy:
            argument = self.injector.before_step(task, argument, entry)
            if argument is not HELD:
                self._look_ahead()
        return argument

    def after_step(self, task: Any) -> None:
        """Strike the victim as it parks, or remember it."""
        if self.injector.is_busy:
            self.injector.release_due()
            self._look_ahead()
        if self._loop.step != self._strike.parked or self._victim is not None:
            return
        self._victim = task
        if self._strike.phase is Phase.PARKED:
            self._land(task, None)
        else:
            self.next_stop = self._strike.at

    def after_callback(self, runner: Any) -> None:
        """Let go what a deadline held."""
        self.injector.release_due()
        self._look_ahead()

    def time_moved(self) -> None:
        """Nothing to record."""

    def checkpoint(self) -> None:
        """Nothing to keep within limits."""

    def _land(self, task: Any, argument: Any, *, is_woken: bool = False) -> Any:
        changed, self.obstacle = self.injector.strike(self._strike.fault, task, argument, is_woken=is_woken)
        self.has_landed = not self.obstacle
        self._look_ahead()
        return changed if is_woken else argument

    def _look_ahead(self) -> None:
        if self.has_landed or self.obstacle:
            self.next_stop = 0 if self.injector.is_busy else NO_STOP
