"""asyncio's own selector loop with a clock that jumps: what our loop is compared with."""

import asyncio
import heapq
import selectors
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, TypeVarTuple

_Ts = TypeVarTuple("_Ts")


class _InOrder(asyncio.TimerHandle):
    """A timer that comes after those of the same instant that were made before it.

    asyncio's heap gives out timers of one instant in no particular order; ours keeps the order they were made in.
    """

    __slots__ = ("number",)
    number: int
    _when: float
    _scheduled: bool

    def __lt__(self, other: Any) -> bool:
        return (self._when, self.number) < (other._when, other.number)


class _Jumping(selectors.DefaultSelector):
    """Never sleeps: when nothing is ready, time goes to the next timer."""

    loop: "ReferenceLoop"

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if not self.loop._scheduled:
            raise RuntimeError("deadlock")
        self.loop.now = self.loop._scheduled[0]._when
        return ready


class ReferenceLoop(asyncio.SelectorEventLoop):
    """asyncio's order and asyncio's code; only the clock is not the machine's."""

    _scheduled: list[_InOrder]

    def __init__(self) -> None:
        self.now = 0.0
        selector = _Jumping()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = 1e-9
        self._numbers = count(1)

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Any = None) -> Any:
        timer = _InOrder(when, callback, args, self, context)
        timer.number = next(self._numbers)
        timer._scheduled = True
        heapq.heappush(self._scheduled, timer)
        return timer


def run_reference(main: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end on asyncio's loop in virtual time."""
    with asyncio.Runner(loop_factory=ReferenceLoop) as runner:
        return runner.run(main)
