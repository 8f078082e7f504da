"""What a step touches: the shared objects that a search may take into account, and who is told of them.

asyncio's and anyio's primitives (`asyncio.footprints`, `anyio_footprints`) or trio's (`trio.footprints`) always; plain
state where it is observed (`observed`); whatever else reports itself through `touch`. A wrong footprint costs a search
efficiency, never correctness.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable
from typing import Any

Recorder = Callable[[tuple[int, bool]], object]
"""Told of each touch: the number of an object, and whether it is written to. As one value, so that to append it to a
list is all that is done of Python's in the hundreds of touches of a run."""

_recorder: Recorder | None = None
_numbers: dict[Hashable, int] = {}
_named: dict[str, int] = {}
_names: list[str] = []
"""Of the objects with odd numbers, in order: how each is written down."""
_followers: list[Callable[[Recorder | None], None]] = []
SEEN: dict[int, bool] = {}
"""What the running step touched of plain state, and whether it wrote: those who report much report each thing once."""


def touch(key: Hashable, is_write: bool) -> None:
    """Report that the running step reads or writes the shared object of this name. Does nothing outside a search."""
    if _recorder is not None:
        _recorder((number_of(key), is_write))


def number_of(key: Hashable) -> int:
    """The number of what has this name."""
    number = _numbers.get(key)
    if number is None:
        number = _numbers[key] = object_number(f"={key!r}")
    return number


def object_name(number: int) -> str:
    """What the object of this number is called in every process: a primitive's number is its name."""
    return _names[number // 2] if number % 2 else str(number)


def object_number(name: str) -> int:
    """The number that an object of this name has in this process, whether or not it was touched here yet."""
    if not name.startswith("="):
        return int(name)
    number = _named.setdefault(name, 2 * len(_names) + 1)
    if number // 2 == len(_names):
        _names.append(name)
    return number


def record_touches(recorder: Recorder | None) -> None:
    """Send what is touched to this recorder from now on; None stops it. A touch is an object's number and is_write.

    Numbers of primitives are even and follow their creation in the run; those of names are odd and hold for the
    process.
    """
    global _recorder
    _recorder = recorder
    SEEN.clear()
    for follower in _followers:
        follower(recorder)


def follow_recording(follower: Callable[[Recorder | None], None]) -> None:
    """Tell this one of each recorder that comes and goes, from now on."""
    _followers.append(follower)
    follower(_recorder)


def wrap_called(kind: Any, name: str, is_write: bool, touch_object: Callable[[Any, bool], None]) -> None:
    """Have a method touch its object first."""
    original = getattr(kind, name)

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _recorder is not None:
            touch_object(self, is_write)
        return original(self, *args, **kwargs)

    @functools.wraps(original)
    def method_of_self(self: Any) -> Any:  # most are: a queue asks itself five times a hand-over whether it is full
        if _recorder is not None:
            touch_object(self, is_write)
        return original(self)

    setattr(kind, name, method_of_self if _takes_only_self(original) else method)


def _takes_only_self(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    is_variadic = bool(code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS))
    return code.co_argcount == 1 and not code.co_kwonlyargcount and not is_variadic


def wrap_awaited(kind: Any, name: str, touch_object: Callable[[Any, bool], None]) -> None:
    """Have an async method touch its object before it waits and in the step that ends the wait."""
    original = getattr(kind, name)

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _recorder is None:
            return original(self, *args, **kwargs)
        return _touching(self, original(self, *args, **kwargs), touch_object)

    setattr(kind, name, method)


async def _touching(primitive: Any, coroutine: Any, touch_object: Callable[[Any, bool], None]) -> Any:
    touch_object(primitive, True)
    result = await coroutine
    touch_object(primitive, True)
    return result
