"""What is to be done at a later instant of a trio run, by nobody's task."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Errands:
    """Actions by virtual instant; those of one instant in the order in which they were given."""

    __slots__ = ("_count", "waiting")

    def __init__(self) -> None:
        self.waiting: list[tuple[int, int, Callable[[], object]]] = []
        """The first one due comes first."""
        self._count = 0

    def add(self, instant: int, action: Callable[[], object]) -> None:
        """Have something done then."""
        self._count += 1
        heapq.heappush(self.waiting, (instant, self._count, action))

    def next_instant(self) -> int | None:
        """When the first of them is due, or None."""
        return self.waiting[0][0] if self.waiting else None

    def run(self, now: int) -> None:
        """Do all that is due by now."""
        while self.waiting and self.waiting[0][0] <= now:
            heapq.heappop(self.waiting)[2]()

    def forget(self) -> None:
        """Nothing is due any more."""
        self.waiting.clear()
