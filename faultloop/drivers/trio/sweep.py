"""Faults in a fast run on trio, at step numbers known from an earlier run that gave the same answers."""

from __future__ import annotations

from typing import Any

from faultloop.drivers.strike import Strike
from faultloop.drivers.trio.faults import Injector
from faultloop.drivers.trio.host import Host
from faultloop.drivers.trio.turns import NO_STOP
from faultloop.model.points import Phase


class Sweeper:
    """The watcher of a swept run: sees the few turns that matter.

    strikes: faults in the order of their steps; each is aimed at the run that the earlier ones lead to.
    """

    def __init__(self, host: Host, strikes: tuple[Strike, ...]) -> None:
        self.injector = Injector(host)
        self.next_stop = 0
        self.landed = 0
        self.obstacle = ""
        self._host = host
        self._open = list(strikes)
        self._victims: dict[Strike, Any] = {}
        self._look_ahead()
        host.watcher = self

    def before_step(self, task: Any) -> None:
        """Strike the victim that races this step."""
        for strike in self._open[:]:
            if strike.at == self._host.step and strike.phase is Phase.RACING and strike in self._victims:
                self._land(strike, self._victims[strike])

    def after_step(self, task: Any) -> None:
        """Strike the victim as it parks, or remember it."""
        for strike in self._open[:]:
            if strike.parked != self._host.step:
                continue
            if strike.phase is Phase.PARKED:
                self._land(strike, task)
            else:
                self._victims[strike] = task
        self._look_ahead()

    def time_moved(self) -> None:
        """Nothing to record."""

    def checkpoint(self) -> None:
        """Nothing to keep within limits."""

    def path_of(self, task: Any) -> str:
        """No paths are kept."""
        del task
        return ""

    def note(self, text: str, *, own: bool = False) -> None:
        """Nothing is recorded."""

    def _land(self, strike: Strike, task: Any) -> None:
        self._open.remove(strike)
        obstacle = self.injector.strike(strike.fault, task)
        self.obstacle = self.obstacle or obstacle
        self.landed += not obstacle

    def _look_ahead(self) -> None:
        """The next step to see: where a strike's victim parks, and where it is struck."""
        waiting = [stop for strike in self._open for stop in strike.stops if stop > self._host.step]
        self.next_stop = min(waiting, default=NO_STOP)
