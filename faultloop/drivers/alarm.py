"""The limit on real time that holds even in a step which never gives way: a signal that comes in the middle of it.

One timer of the process stands for any number of runs. It ticks; a run only says until when it may take.
Only the main thread can be interrupted: runs in other threads have no alarm, nor has any where SIGALRM is taken.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

TICK_SECONDS = 0.5
"""How late a step that never ends is interrupted at most, and how often what resists is interrupted again."""
_NEVER = float("inf")
_end = _NEVER
_is_shared = False


class OutOfTime(KeyboardInterrupt):
    """Raised inside a step that does not end. A KeyboardInterrupt, because tasks let nothing else through."""


@contextmanager
def many_runs(wall_seconds: float) -> Generator[None, None, None]:
    """Let the runs within share one alarm, which costs a small run a twentieth. wall_seconds: what each may take."""
    global _is_shared
    if _is_shared or not _arm(min(wall_seconds, TICK_SECONDS)):
        yield
        return
    _is_shared = True
    try:
        yield
    finally:
        _is_shared = False
        _disarm()


def set_alarm(seconds: float) -> tuple[bool, float]:
    """Interrupt the run that begins now once it has taken so long. Returns what `clear_alarm` wants."""
    global _end
    outer = _end
    if threading.current_thread() is not threading.main_thread():
        return False, outer
    has_shared = _is_shared and signal.getsignal(signal.SIGALRM) is _on_alarm  # unless a program took it for itself
    is_own = not has_shared and _arm(seconds)
    _end = min(outer, time.perf_counter() + seconds)
    return is_own, outer


def clear_alarm(is_own: bool, outer: float) -> None:
    """The run is over: what held before it holds again."""
    global _end
    if threading.current_thread() is threading.main_thread():
        _end = outer
        if is_own:
            _disarm()


def put_off(seconds: float) -> None:
    """A run that took too long was interrupted: what is left of it to do may take so long again."""
    global _end
    if _end != _NEVER:
        _end = max(_end, time.perf_counter() + seconds)


def _arm(seconds: float) -> bool:
    """Begin to tick. Returns whether it does: not in a thread beside the main one, nor where SIGALRM has its use."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGALRM) != signal.SIG_DFL:
        return False
    signal.signal(signal.SIGALRM, _on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds, TICK_SECONDS)
    return True


def _disarm() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _on_alarm(number: int, frame: FrameType | None) -> None:
    if time.perf_counter() >= _end:
        raise OutOfTime
