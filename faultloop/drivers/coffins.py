"""Coroutines that are gone without having ended: what a process that died was in the middle of.

A suspended coroutine that is let go runs its `finally` blocks. One of a process that died must not. CPython asks a flag
in the object whether it has ended; once that says so, the object's memory is given back like any other's, locals and
all, and none of its code runs. Where the flag lies is found out by watching it change, and tried before it is used.
"""

from __future__ import annotations

import ctypes
import functools
import gc
from collections import deque
from collections.abc import Coroutine, Generator, Iterator
from contextlib import AsyncExitStack, ExitStack
from types import AsyncGeneratorType, CoroutineType, GeneratorType, MethodType
from typing import Any, TypeAlias, cast

_COMPLETED = 1
"""FRAME_COMPLETED in CPython's pycore_frame.h, from 3.11 to 3.13: ended, and its frame not cleared yet."""
_HEADER_BYTES = 120
"""Where the flag is looked for: before the frame, which stands at the object's end."""

Suspended: TypeAlias = "CoroutineType[Any, Any, Any] | GeneratorType[Any, Any, Any] | AsyncGeneratorType[Any, Any]"
_FRAMED = (CoroutineType, GeneratorType, AsyncGeneratorType)
_kept_for_ever: list[object] = []
"""Where the flag cannot be found, what must not end is kept instead."""


def bury(coroutine: object) -> list[Suspended]:
    """Let nothing of a suspended coroutine run ever again, nor of what it has open. Returns all that was suspended.

    What it has open: whatever it awaits, and the generators in its variables, in its `with` statements and exit stacks.
    """
    offset = _flag_offset()
    buried: list[Suspended] = []
    for each in list(_held_open(coroutine)):
        if not _is_suspended(each, offset):
            continue
        buried.append(each)
        if offset is None:
            _kept_for_ever.append(each)
        else:
            ctypes.c_int8.from_address(id(each) + offset).value = _COMPLETED
    return buried


def _is_suspended(each: Suspended, offset: int | None) -> bool:
    if isinstance(each, CoroutineType):
        return each.cr_frame is not None and not each.cr_running
    if isinstance(each, GeneratorType):
        return each.gi_frame is not None and not each.gi_running
    if each.ag_frame is None:
        return False
    # An async generator says that it is running also while it is suspended in an await of its own: then somebody waits
    # for its next value. The flag knows.
    return not each.ag_running if offset is None else ctypes.c_int8.from_address(id(each) + offset).value < 0


def _held_open(coroutine: object) -> Iterator[Suspended]:
    """A coroutine and everything with a frame of its own that hangs on it, each once."""
    waiting: deque[object] = deque([coroutine, _not_begun(coroutine)])
    seen: set[int] = set()
    while waiting:
        each = waiting.popleft()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, _FRAMED):
            yield each
            waiting.extend(gc.get_referents(each))  # variables and the stack of its expressions
        elif isinstance(each, MethodType):
            waiting.append(each.__self__)  # the `__exit__` that a `with` statement keeps
        elif isinstance(each, ExitStack | AsyncExitStack):
            waiting.extend(callback for _, callback in cast(Any, each)._exit_callbacks)
        elif isinstance(each, tuple | list | dict | deque):
            waiting.extend(gc.get_referents(cast(object, each)))
        elif type(each).__module__ == "contextlib" or type(each).__name__ in _AWAITABLES:
            waiting.extend(gc.get_referents(each))


def _not_begun(coroutine: object) -> object:
    """The program's coroutine that an anyio task runs: until it has begun, only an object of anyio's knows it."""
    if not isinstance(coroutine, CoroutineType) or coroutine.cr_code.co_qualname != "TaskHandle._run_coro":
        return None
    frame = coroutine.cr_frame
    handle: object = frame.f_locals.get("self") if frame is not None else None  # pyright: ignore[reportUnnecessaryComparison]
    return getattr(handle, "_coro", None)


_AWAITABLES = frozenset(("coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable"))
"""What stands between a coroutine and what it awaits, by the names of its types, which have no others."""


@functools.cache
def _flag_offset() -> int | None:
    """Where in a coroutine's memory the flag lies that says how far it is, or None if that cannot be told."""

    async def pause() -> None:
        await _Pause()

    coroutine = pause()
    created = _header(coroutine)
    coroutine.send(None)
    suspended = _header(coroutine)
    coroutine.close()
    ended = _header(coroutine)
    places = [
        place
        for place, (before, within, after) in enumerate(zip(created, suspended, ended, strict=True))
        if -3 <= before < within < 0 < after <= 4
    ]
    return places[0] if len(places) == 1 and _holds(places[0]) else None


def _header(coroutine: Coroutine[Any, Any, Any]) -> list[int]:
    return [ctypes.c_int8.from_address(id(coroutine) + place).value for place in range(_HEADER_BYTES)]


class _Pause:
    def __await__(self) -> Generator[None, None, None]:
        yield


class _Canary:
    """A local variable that tells when it is let go."""

    def __init__(self, said: list[str]) -> None:
        self.said = said

    def __del__(self) -> None:
        self.said.append("freed")


def _holds(offset: int) -> bool:
    """Whether setting the flag does what it is meant to do: no code runs, and memory is given back."""
    said: list[str] = []

    async def victim(canary: _Canary) -> None:
        try:
            await _Pause()
        finally:
            canary.said.append("ran")

    coroutine = victim(_Canary(said))
    coroutine.send(None)
    ctypes.c_int8.from_address(id(coroutine) + offset).value = _COMPLETED
    del coroutine
    return said == ["freed"]
