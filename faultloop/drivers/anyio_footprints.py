"""What a step touches of anyio's primitives.

`Event` and `Condition` are made of the backend's and of anyio's own locks, and need nothing here. Memory object streams
keep their state themselves, and on asyncio locks, semaphores and capacity limiters do; on trio they are trio's.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Iterable
from typing import Any

from faultloop.drivers.touches import Recorder, follow_recording, number_of, wrap_awaited, wrap_called

Method = tuple[str, bool]
"""Its name, and whether it writes."""

_AWAITED = {
    "Lock": ("acquire",),
    "Semaphore": ("acquire",),
    "CapacityLimiter": ("acquire_on_behalf_of",),
    "MemoryObjectSendStream": ("send",),
    "MemoryObjectReceiveStream": ("receive",),
}
_CALLED: dict[str, tuple[Method, ...]] = {
    "Lock": (("acquire_nowait", True), ("release", True), ("locked", False), ("statistics", False)),
    "Semaphore": (("acquire_nowait", True), ("release", True), ("statistics", False)),
    "CapacityLimiter": (
        ("acquire_on_behalf_of_nowait", True),
        ("release_on_behalf_of", True),
        ("statistics", False),
    ),
    "MemoryObjectSendStream": (("send_nowait", True), ("close", True), ("clone", True), ("statistics", False)),
    "MemoryObjectReceiveStream": (("receive_nowait", True), ("close", True), ("clone", True), ("statistics", False)),
}
_PROPERTIES = {"Semaphore": ("value",), "CapacityLimiter": ("total_tokens", "borrowed_tokens", "available_tokens")}

_HOMES = ("anyio._backends._asyncio", "anyio._core._synchronization", "anyio.streams.memory")
"""Where the classes are. Before they moved to the backend, locks and semaphores were one class for all backends."""

_recorder: Recorder | None = None
_numbers: dict[int, tuple[weakref.ref[Any], int]] = {}
"""By id, what was made or touched in this run."""
_met = 0
"""How many there were of them."""


_looked_in: set[str] = set()
"""Of these modules, those whose classes report themselves already."""


@functools.cache
def install() -> None:
    """Have anyio's primitives report themselves in every recording from now on."""
    follow_recording(_follow)


def _follow(recorder: Recorder | None) -> None:
    global _recorder, _met
    _recorder = recorder
    _met = 0
    _numbers.clear()
    if recorder is not None and len(_looked_in) < len(_HOMES):
        _wrap_what_is_imported()


def _wrap_what_is_imported() -> None:
    """anyio imports its parts when they are first used: what a run imports reports itself from the next one on."""
    for home in _HOMES:
        if home in _looked_in or home not in sys.modules:
            continue
        _looked_in.add(home)
        for name, methods in _CALLED.items():
            kind: Any = vars(sys.modules[home]).get(name)
            if getattr(kind, "__module__", "") == home:
                wrap(kind, methods, _AWAITED[name], _PROPERTIES.get(name, ()))


def wrap(kind: Any, called: Iterable[Method], awaited: Iterable[str], properties: Iterable[str]) -> None:
    """Have those methods and properties of a class that it has touch their object, for good."""
    if "__init__" in vars(kind):
        _wrap_init(kind)
    for method, is_write in called:
        if hasattr(kind, method):
            wrap_called(kind, method, is_write, touch_object)
    for method in awaited:
        if hasattr(kind, method):
            wrap_awaited(kind, method, touch_object)
    for name in properties:
        if hasattr(kind, name):
            _wrap_property(kind, name)


def _wrap_property(kind: Any, name: str) -> None:
    original: property = getattr(kind, name)
    assert original.fget is not None, (kind, name)
    get, put = original.fget, original.fset

    def fget(self: Any) -> Any:
        if _recorder is not None:
            touch_object(self, False)
        return get(self)

    def fset(self: Any, value: Any) -> None:
        if _recorder is not None:
            touch_object(self, True)
        assert put is not None, name
        put(self, value)

    setattr(kind, name, property(fget, fset if put is not None else None, original.fdel, original.__doc__))


def _wrap_init(kind: Any) -> None:
    original = kind.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if _recorder is not None:
            _number_of(self)

    kind.__init__ = __init__


def touch_object(primitive: Any, is_write: bool) -> None:
    """The running step reads or writes a primitive, or what it is one end of."""
    if _recorder is not None:
        _recorder((_number_of(primitive), is_write))


def _number_of(primitive: Any) -> int:
    """Its number follows its creation, which hangs less on the order of tasks than its first use does."""
    global _met
    shared = getattr(primitive, "_state", primitive)  # both ends of a memory stream and their clones have one
    place = id(shared)
    known = _numbers.get(place)
    if known is None:
        _met += 1
        number = number_of(("anyio", type(shared).__name__, _met))
        known = _numbers[place] = (weakref.ref(shared, lambda _: _numbers.pop(place, None)), number)
    return known[1]
