"""The virtual clock of a trio run: integer nanoseconds inside, the very floats that trio computed at its surface."""

from __future__ import annotations

from typing import Any

import trio.abc

from faultloop.model.faults import NANOSECONDS

HALF = 1 / NANOSECONDS
"""More than the half nanosecond by which a deadline may lie behind the instant it is rounded to."""


class VirtualClock(trio.abc.Clock):
    """Stands still until its host moves it. now: nanoseconds from 0.   host: whose run it is the clock of."""

    def __init__(self, host: Any = None) -> None:
        self.host = host
        self.now = 0
        self._seconds = 0.0
        self.end_of_instant = HALF
        """Seconds: no deadline behind this one belongs to this instant."""

    def start_clock(self) -> None:
        """Nothing to start."""

    def current_time(self) -> float:
        """Virtual seconds."""
        return self._seconds

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """The host waits in trio's place."""
        return 0.0

    def instant_of(self, deadline: float) -> int:
        """The nanosecond that a deadline belongs to: 0.1 three times over is 0.3."""
        return max(round(deadline * NANOSECONDS), self.now)

    def has_come(self, deadline: float) -> bool:
        """Whether a deadline belongs to this instant or an earlier one."""
        return deadline <= self._seconds or round(deadline * NANOSECONDS) <= self.now

    def move_to(self, instant: int) -> None:
        """Move to a later instant, or stay."""
        self.now = instant
        self._seconds = max(self._seconds, instant / NANOSECONDS)
        self.end_of_instant = self._seconds + HALF

    def reach(self, deadline: float) -> float:
        """Be no earlier than a deadline of this instant, for whoever slept until then asks what time it is."""
        self._seconds = max(self._seconds, deadline)
        return self._seconds
