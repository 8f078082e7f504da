"""One fault in a fast run, at step numbers known from an earlier run that gave the same answers.

Up to the fault the two runs are the same run, so numbers are exact; nothing is counted or looked up on the way.
"""

from __future__ import annotations

from asyncio.tasks import all_tasks
from typing import Any

from faultloop.drivers.asyncio.faults import Injector
from faultloop.drivers.asyncio.loop import Loop
from faultloop.drivers.asyncio.turns import HELD
from faultloop.drivers.ready import Entry
from faultloop.drivers.strike import Strike
from faultloop.model.points import Phase

NO_STOP = 1 << 62


class Sweeper:
    """The watcher of a swept run: sees the few turns that matter, and what a fault drags behind it.

    strikes: faults in the order of their steps; each is aimed at the run that the earlier ones lead to.
    """

    def __init__(self, loop: Loop, strikes: tuple[Strike, ...]) -> None:
        self.injector = Injector(loop)
        self.next_stop = 0
        self.landed = 0
        self.obstacle = ""
        self._loop = loop
        self._open = list(strikes)
        self._victims: dict[Strike, Any] = {}
        self._look_ahead()
        loop.watcher = self

    def before_step(self, task: Any, argument: Any, entry: Entry) -> Any:
        """Strike the woken victim, or the one that races this step."""
        step = self._loop.step
        for strike in self._open[:]:
            if strike.at != step or strike.phase is Phase.PARKED:
                continue
            if strike.phase is Phase.WOKEN:
                argument = self._land(strike, task, argument, is_woken=True)
            elif (victim := self._victims.get(strike)) is not None:
                self._land(strike, victim, argument)
        if self.injector.is_busy:
            argument = self.injector.before_step(task, argument, entry)
            if argument is not HELD:
                self._look_ahead()
        return argument

    def after_step(self, task: Any) -> None:
        """Strike the victim as it parks, or remember it."""
        if self.injector.is_busy:
            self.injector.release_due()
        self._parked(task)
        self._look_ahead()

    def after_callback(self, runner: Any) -> None:
        """Let go what a deadline held; a callback may have begun an eager task's wait."""
        self.injector.release_due()
        self._parked(None)
        self._look_ahead()

    def _parked(self, ran: Any) -> None:
        """The entry is over: strike the victim whose wait began in it, or remember it."""
        step = self._loop.step
        for strike in self._open[:]:
            if strike.parked != step or (victim := self._victim(strike, ran)) is None:
                continue
            if strike.phase is Phase.PARKED:
                self._land(strike, victim, None)
            else:
                self._victims[strike] = victim

    def _victim(self, strike: Strike, ran: Any) -> Any:
        if ran is not None and strike.victim in (0, getattr(ran, "ordinal", 0)):
            return ran
        alive = all_tasks(self._loop)
        return next((task for task in alive if strike.victim and getattr(task, "ordinal", 0) == strike.victim), None)

    def time_moved(self) -> None:
        """Nothing to record."""

    def checkpoint(self) -> None:
        """Nothing to keep within limits."""

    def _land(self, strike: Strike, task: Any, argument: Any, *, is_woken: bool = False) -> Any:
        self._open.remove(strike)
        self._victims.pop(strike, None)
        changed, obstacle = self.injector.strike(strike.fault, task, argument, is_woken=is_woken)
        self.obstacle = self.obstacle or obstacle
        self.landed += not obstacle
        self._look_ahead()
        return changed if is_woken else argument

    def _look_ahead(self) -> None:
        """The next step to see: where a strike's victim parks, and where it is struck."""
        if self.injector.is_busy:
            self.next_stop = 0
            return
        step = self._loop.step
        waiting = [stop for s in self._open for stop in s.stops if stop > step]
        self.next_stop = min(waiting, default=NO_STOP)
