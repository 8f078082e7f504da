"""What time it is, for everything that is stored.

Rule 1: the only place that reads a wall clock. Durations (timeouts, leases in hand, polling) use anyio's own clock.
Rule 2: integer milliseconds, because a stored time must compare equal to itself everywhere.
"""

from __future__ import annotations

import time
from typing import Protocol

import anyio

__all__ = ["Clock", "LoopClock", "SystemClock"]


class Clock(Protocol):
    """The wall clock of a queue. It may jump; it is read on the event loop only, never in a thread."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        ...


class SystemClock:
    """The wall clock of this machine."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000


class LoopClock:
    """A wall clock that follows the event loop's time, for loops whose time is virtual.

    epoch_ms: what the clock shows when it is first read.
    """

    def __init__(self, *, epoch_ms: int = 1_000_000) -> None:
        """Create a clock that starts at its first reading."""
        self._epoch_ms = epoch_ms
        self._started_at: float | None = None

    def now_ms(self) -> int:
        """Epoch plus the virtual time since the first reading."""
        now = anyio.current_time()
        if self._started_at is None:
            self._started_at = now
        return self._epoch_ms + round((now - self._started_at) * 1000)
