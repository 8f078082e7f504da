"""The clocks of a run. They stand still while a step runs, and move with the loop.

Wall clocks begin at a fixed instant (`source.EPOCH`); `monotonic` and `perf_counter` say what `loop.time()` says, as
they do on asyncio's own loop. What a process has computed (`process_time`, `thread_time`) is the machine's.
"""

from __future__ import annotations

import datetime
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from time import struct_time
from typing import Any, NoReturn

from faultloop.drivers.boundary import declare
from faultloop.model.faults import NANOSECONDS
from faultloop.world.patching import Patch
from faultloop.world.source import EPOCH, source_here

_WALL = frozenset(id_ for name in ("REALTIME", "TAI") if (id_ := getattr(time, f"CLOCK_{name}", None)) is not None)
_MONOTONIC = frozenset(
    id_
    for name in ("MONOTONIC", "MONOTONIC_RAW", "BOOTTIME", "UPTIME_RAW", "HIGHRES")
    if (id_ := getattr(time, f"CLOCK_{name}", None)) is not None
)


def _missing(_: int) -> NoReturn:
    raise NotImplementedError("this platform has no such clock")  # and no function that could be replaced


class Clocks:
    """What stands in the place of the functions of the module `time`.

    As bound methods: like the builtins whose place they take, they stay what they are when found in a class.
    """

    def __init__(self) -> None:
        self._time, self._time_ns = time.time, time.time_ns
        self._monotonic, self._monotonic_ns = time.monotonic, time.monotonic_ns
        self._perf_counter, self._perf_counter_ns = time.perf_counter, time.perf_counter_ns
        self._clock_gettime: Callable[[int], float] = getattr(time, "clock_gettime", _missing)
        self._clock_gettime_ns: Callable[[int], int] = getattr(time, "clock_gettime_ns", _missing)
        self._localtime, self._gmtime, self._ctime = time.localtime, time.gmtime, time.ctime
        self._asctime: Callable[..., str] = time.asctime
        self._strftime: Callable[..., str] = time.strftime
        self._sleep = time.sleep

    def time(self) -> float:
        """Seconds since 1970."""
        source = source_here()
        return self._time() if source is None else source.wall() / NANOSECONDS

    def time_ns(self) -> int:
        """Nanoseconds since 1970."""
        source = source_here()
        return self._time_ns() if source is None else source.wall()

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        source = source_here()
        return self._monotonic() if source is None else source.monotonic() / NANOSECONDS

    def monotonic_ns(self) -> int:
        """The same in nanoseconds."""
        source = source_here()
        return self._monotonic_ns() if source is None else source.monotonic()

    def perf_counter(self) -> float:
        """Seconds on the clock for measuring."""
        source = source_here()
        return self._perf_counter() if source is None else source.monotonic() / NANOSECONDS

    def perf_counter_ns(self) -> int:
        """The same in nanoseconds."""
        source = source_here()
        return self._perf_counter_ns() if source is None else source.monotonic()

    def clock_gettime(self, clock: int, /) -> float:
        """Seconds on a clock of POSIX."""
        source = source_here() if clock in _WALL or clock in _MONOTONIC else None
        if source is None:
            return self._clock_gettime(clock)
        return (source.wall() if clock in _WALL else source.monotonic()) / NANOSECONDS

    def clock_gettime_ns(self, clock: int, /) -> int:
        """The same in nanoseconds."""
        source = source_here() if clock in _WALL or clock in _MONOTONIC else None
        if source is None:
            return self._clock_gettime_ns(clock)
        return source.wall() if clock in _WALL else source.monotonic()

    def localtime(self, seconds: float | None = None, /) -> struct_time:
        """An instant, or now, in the local zone."""
        if seconds is None and (source := source_here()) is not None:
            seconds = source.wall() / NANOSECONDS
        return self._localtime(seconds)

    def gmtime(self, seconds: float | None = None, /) -> struct_time:
        """An instant, or now, in UTC."""
        if seconds is None and (source := source_here()) is not None:
            seconds = source.wall() / NANOSECONDS
        return self._gmtime(seconds)

    def ctime(self, seconds: float | None = None, /) -> str:
        """An instant, or now, as text."""
        if seconds is None and (source := source_here()) is not None:
            seconds = source.wall() / NANOSECONDS
        return self._ctime(seconds)

    def asctime(self, *instant: Any) -> str:
        """A broken-down instant, or now, as text."""
        if not instant and (source := source_here()) is not None:
            instant = (self._localtime(source.wall() / NANOSECONDS),)
        return self._asctime(*instant)

    def strftime(self, form: str, *instant: Any) -> str:
        """A broken-down instant, or now, in a form of the caller's."""
        if not instant and (source := source_here()) is not None:
            instant = (self._localtime(source.wall() / NANOSECONDS),)
        return self._strftime(form, *instant)

    def sleep(self, seconds: float, /) -> None:
        """Let time pass with nothing else done: the loop's clock moves, and nobody waits."""
        source = source_here()
        if source is None:
            self._sleep(seconds)
            return
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        source.loop.pass_time(round(seconds * NANOSECONDS))


def _functions() -> list[str]:
    """The functions of `time` that have a counterpart here, those that this platform has."""
    return [name for name in vars(time) if name in vars(Clocks) and not name.startswith("_")]


def patches() -> Iterator[Patch]:
    """The clocks' patches. Each is declared at the boundary of a run as it is made."""
    clocks = Clocks()
    for name in _functions():
        how = "the loop's virtual clock"
        if name == "sleep":
            how = "moves the loop's clock and waits for nothing"
        elif name not in ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"):
            how = f"the loop's virtual clock, from {EPOCH:%Y-%m-%d %H:%M} UTC"
        yield _declared(Patch(time, name, getattr(clocks, name)), f"time.{name}", how)
    for name in ("now", "utcnow"):
        patch = Patch(datetime.datetime, name, None)
        replacement = classmethod(_now(patch.original) if name == "now" else _utcnow(patch.original))
        yield _declared(
            Patch(datetime.datetime, name, replacement), f"datetime.datetime.{name}", "as time.time, in subclasses too"
        )
    # Both ask time.time, by its name, in C (Modules/_datetimemodule.c, date_today).
    declare("datetime.date.today", "controlled", "as time.time", _CHANGE)
    declare("clocks and chance kept in attributes of objects", "through", "taken before the run: the machine's")
    declare(
        "random.Random() made before the run", "through", "seeded already, by the machine", "seed it in the scenario"
    )
    declare("time.process_time, time.thread_time", "through", "what was computed, not what time it is")


_CHANGE = 'entropy="real", Entropy(spared=("module",))'


def _declared(patch: Patch, api: str, how: str) -> Patch:
    declare(api, "controlled", how, _CHANGE)
    return patch


def _now(original: Any) -> Callable[..., Any]:
    def now(cls: Any, tz: datetime.tzinfo | None = None) -> Any:
        source = source_here()
        if source is None:
            return original.__get__(None, cls)(tz)
        return cls.fromtimestamp(source.wall() / NANOSECONDS, tz)

    return now


def _utcnow(original: Any) -> Callable[..., Any]:
    def utcnow(cls: Any) -> Any:
        source = source_here()
        if source is None:
            return original.__get__(None, cls)()
        if sys.version_info >= (3, 12):
            warnings.warn("datetime.datetime.utcnow() is deprecated", DeprecationWarning, stacklevel=2)
        return cls.fromtimestamp(source.wall() / NANOSECONDS, datetime.UTC).replace(tzinfo=None)

    return utcnow
