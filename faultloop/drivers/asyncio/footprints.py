"""What a step touches of asyncio's own: locks, events, conditions, semaphores, queues and futures."""

from __future__ import annotations

import functools
from asyncio import locks, queues
from typing import Any

from faultloop.drivers.asyncio.handles import WAKERS, Future
from faultloop.drivers.asyncio.ordering import BareFuture
from faultloop.drivers.touches import Recorder, follow_recording, number_of, wrap_awaited, wrap_called

_AWAITED = {
    locks.Lock: ("acquire",),
    locks.Event: ("wait",),
    locks.Condition: ("wait",),
    locks.Semaphore: ("acquire",),
    queues.Queue: ("get", "put", "join"),
}
_CALLED = {
    locks.Lock: ("release",),
    locks.Event: ("set", "clear"),
    locks.Condition: ("notify",),
    locks.Semaphore: ("release",),
    queues.Queue: ("get_nowait", "put_nowait", "task_done", "shutdown"),
}
_LOOKED_AT = {
    locks.Lock: ("locked",),
    locks.Event: ("is_set",),
    locks.Semaphore: ("locked",),
    queues.Queue: ("qsize", "empty", "full"),
}

_FUTURE_CALLED = ("set_result", "set_exception", "cancel")
_FUTURE_LOOKED_AT = ("__await__", "__iter__", "done", "cancelled", "result", "exception")

_recorder: Recorder | None = None
_futures = 0
"""How many futures were touched in this run."""


class WatchedFuture(Future):
    """What `loop.create_future()` makes in a run whose touches may be recorded."""

    __slots__ = ("faultloop_number",)

    __hash__ = Future.__hash__


WatchedFuture.__name__ = WatchedFuture.__qualname__ = "Future"
WAKERS.add(WatchedFuture)


def _touch_primitive(primitive: Any, is_write: bool) -> None:
    if _recorder is None:
        return
    try:
        ordinal: int = primitive._faultloop_ordinal
    except AttributeError:
        return  # made outside the run
    _recorder((2 * ordinal, is_write))


def _touch_future(future: Any, is_write: bool) -> None:
    """A future's number follows the first touch: its hash may not be asked for, because that would give it one."""
    global _futures
    if _recorder is None:
        return
    try:
        number: int = future.faultloop_number
    except AttributeError:
        _futures += 1
        number = future.faultloop_number = number_of(("future", _futures))
    _recorder((number, is_write))


@functools.cache
def install() -> None:
    """Have asyncio's primitives report themselves in every recording from now on, once per process."""
    follow_recording(_follow)
    for kind, names in _AWAITED.items():
        for name in names:
            wrap_awaited(kind, name, _touch_primitive)
    for table, is_write in ((_CALLED, True), (_LOOKED_AT, False)):
        for kind, names in table.items():
            for name in names:
                if hasattr(kind, name):  # queues can be shut down from 3.13 on
                    wrap_called(kind, name, is_write, _touch_primitive)
    for future in (WatchedFuture, BareFuture):
        for names, is_write in ((_FUTURE_CALLED, True), (_FUTURE_LOOKED_AT, False)):
            for name in names:
                wrap_called(future, name, is_write, _touch_future)


def _follow(recorder: Recorder | None) -> None:
    global _recorder, _futures
    _recorder, _futures = recorder, 0
