"""Virtual time's agenda: what is due when, in integer nanoseconds. Knows no clock and no loop."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, Protocol, TypeVar

from faultloop.model.faults import NANOSECONDS

NEVER = 1 << 80
"""When an infinite timer fires. It is not pending work: a program that waits only for it is deadlocked."""


FOREVER_SECONDS = 1e15
"""From here on a delay is infinite: no integer of nanoseconds stands for it exactly any more."""


class Cancellable(Protocol):
    """As much of a timer's handle as the agenda needs."""

    _cancelled: bool
    _scheduled: bool


T = TypeVar("T", bound=Cancellable)


class Agenda(Generic[T]):
    """Handles by the instant they are due, those of one instant in the order they were added."""

    __slots__ = ("_added", "_cancelled", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, T]] = []
        self._added = 0
        self._cancelled = 0

    def add(self, nanoseconds: int, handle: T) -> None:
        """Note a handle that is due at this instant."""
        self._added = added = self._added + 1
        heappush(self._heap, (nanoseconds, added, handle))

    def note_cancelled(self) -> None:
        """One of the handles was cancelled. Once most are, they are thrown out, as asyncio does with its own heap."""
        self._cancelled += 1
        if self._cancelled > 100 and self._cancelled * 2 > len(self._heap):
            self._heap[:] = [row for row in self._heap if not row[2]._cancelled]
            heapify(self._heap)
            self._cancelled = 0

    def take_next(self, end: int) -> tuple[int, list[T]]:
        """The next instant at which a live handle is due, and all that are due then, the first added first.

        They are removed, unless the instant is after `end`: then none are given. NEVER if there is none, or if only
        infinite ones are left.
        """
        heap = self._heap
        while heap:
            instant, _, handle = heap[0]
            if instant > end and not handle._cancelled:
                return instant, []
            heappop(heap)
            handle._scheduled = False
            if handle._cancelled:
                self._cancelled -= 1
                continue
            due = [handle]
            while heap and heap[0][0] == instant:
                handle = heappop(heap)[2]
                handle._scheduled = False
                if handle._cancelled:
                    self._cancelled -= 1
                else:
                    due.append(handle)
            return instant, due
        return NEVER, []

    def live(self) -> Iterator[tuple[int, T]]:
        """All live handles with their instants, the earliest first."""
        return (
            (instant, handle)
            for instant, _, handle in sorted(self._heap, key=lambda row: row[:2])
            if not handle._cancelled
        )

    def handles(self) -> Iterator[T]:
        """All live handles, in no order."""
        return (handle for _, _, handle in self._heap if not handle._cancelled)

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()
        self._cancelled = 0


def instant_of(when: float) -> int:
    """The first nanosecond at which `loop.time() >= when` holds: some programs wait until it does."""
    if when >= FOREVER_SECONDS:
        return NEVER
    nanoseconds = round(when * NANOSECONDS)
    return nanoseconds if nanoseconds / NANOSECONDS >= when else nanoseconds + 1
