"""What a step touches: the shared objects that a search may take into account.

asyncio's locks, events, conditions, semaphores and queues always; whatever else reports itself through `touch`. A wrong
footprint costs a search efficiency, never correctness.
"""

from __future__ import annotations

import functools
from asyncio import locks, queues
from collections.abc import Callable, Hashable
from typing import Any

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
    queues.Queue: ("get_nowait", "put_nowait", "task_done"),
}
_LOOKED_AT = {
    locks.Lock: ("locked",),
    locks.Event: ("is_set",),
    locks.Semaphore: ("locked",),
    queues.Queue: ("qsize", "empty", "full"),
}

_recorder: Callable[[int, bool], None] | None = None
_numbers: dict[Hashable, int] = {}


def touch(key: Hashable, is_write: bool) -> None:
    """Report that the running step reads or writes the shared object of this name. Does nothing outside a search."""
    if _recorder is not None:
        _recorder(_numbers.setdefault(key, 2 * len(_numbers) + 1), is_write)


def record_touches(recorder: Callable[[int, bool], None] | None) -> None:
    """Send what is touched to this recorder from now on; None stops it. A touch is an object's number and is_write.

    Numbers of primitives are even and follow their creation in the run; those of names are odd and hold for the
    process.
    """
    global _recorder
    if recorder is not None:
        _observe_primitives()
    _recorder = recorder


def _touch_primitive(primitive: Any, is_write: bool) -> None:
    if _recorder is not None and (ordinal := getattr(primitive, "_faultloop_ordinal", None)) is not None:
        _recorder(2 * ordinal, is_write)


@functools.cache
def _observe_primitives() -> None:
    """Wrap the methods, once per process; outside a search a wrapper only calls on."""
    for kind, names in _AWAITED.items():
        for name in names:
            _wrap_awaited(kind, name)
    for table, is_write in ((_CALLED, True), (_LOOKED_AT, False)):
        for kind, names in table.items():
            for name in names:
                _wrap_called(kind, name, is_write)


def _wrap_called(kind: Any, name: str, is_write: bool) -> None:
    original = getattr(kind, name)

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _recorder is not None:
            _touch_primitive(self, is_write)
        return original(self, *args, **kwargs)

    setattr(kind, name, method)


def _wrap_awaited(kind: Any, name: str) -> None:
    original = getattr(kind, name)

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _recorder is None:
            return original(self, *args, **kwargs)
        return _touching(self, original(self, *args, **kwargs))

    setattr(kind, name, method)


async def _touching(primitive: Any, coroutine: Any) -> Any:
    """Touch before the wait and in the step that ends it."""
    _touch_primitive(primitive, True)
    result = await coroutine
    _touch_primitive(primitive, True)
    return result
