"""From a suspended task to the place it waits at.

Follows what each frame awaits, from the task's coroutine down to what finally suspends. The *site* is the innermost
frame of the user's own code (`drivers.own`) and what it awaits.
"""

from __future__ import annotations

import functools
import gc
import os
import sys
import types
from collections.abc import Iterator
from typing import Any, cast

from faultloop.drivers.own import OURS, SITE_MARKS, STDLIB, is_user_file
from faultloop.engine.paths import bare_function
from faultloop.model.points import Site

MAX_DEPTH = 200
_AWAITED_TYPES = {"BareFuture": "Future", "NoneType": "yield", "_GatheringFuture": "gather"}
_AWAITED_NAMES = {"_LockImpl.acquire": "Lock.acquire", "Nursery._nested_child_finished": "Nursery.__aexit__"}
"""Functions inside trio, by what the program has written there."""
_WRAPPERS = ("coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable")
_FRAMES = ("cr_frame", "gi_frame", "ag_frame")
_AWAITED = ("cr_await", "gi_yieldfrom", "ag_await")
_DRIVEN: tuple[type[object], ...] = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)


class SiteTable:
    """The sites of one run, each known by the code that waits and where in it.

    Looking up a site that was seen before costs a walk over the frames and no more.
    """

    def __init__(self, root: str) -> None:
        self._root = os.path.join(os.path.realpath(root), "")
        self._is_user: dict[int, bool | None] = {}
        """By id of a code object: the user's own or not; None for a library's `__aenter__` and the like."""
        self._codes: list[types.CodeType] = []
        """Keeps every code object whose id is a key alive."""
        self._numbers: dict[tuple[int, int, object], int] = {}
        self._by_value: dict[Site, int] = {}
        self.sites: list[Site] = []
        self.keys: list[tuple[str, str]] = []
        """Function and awaited of each site: what an address counts by."""

    def number(self, task: Any) -> int:
        """The number of the site a suspended task waits at."""
        is_user = self._is_user
        coroutine: Any = task.get_coro()
        owner: Any = None
        below: Any = None
        is_protocol = False  # `async with lock` waits in Lock.acquire, whatever protocol method stands between
        current = coroutine
        for _ in range(MAX_DEPTH):
            kind: Any = type(current)  # pyright: ignore[reportUnknownVariableType]
            if kind is types.CoroutineType:
                code, awaiting = current.cr_code, current.cr_await
            elif kind is types.GeneratorType:
                code, awaiting = current.gi_code, current.gi_yieldfrom
            else:
                step = _step_into(current)
                if step is None:
                    below = kind if below is None else below
                    break
                code, awaiting = step
            try:
                mine = is_user[id(code)]
            except KeyError:
                mine = self._classify(code)
            if mine:
                owner, below, is_protocol = current, None, False
            elif below is None or is_protocol:
                below, is_protocol = code, mine is None
            current = awaiting
            if current is None:
                break
        if owner is None:  # no frame of the user's own: the outermost stands for it
            owner = coroutine
        frame = _frame_of(owner)
        if type(below) is type:  # no frame below the user's: told by what it awaits, not by the iterator over that
            below = cast(object, type(task._fut_waiter))
        key = (
            (id(frame.f_code), frame.f_lasti, id(below)) if frame is not None else (id(owner.__class__), -1, id(below))
        )
        number = self._numbers.get(key)
        if number is None:
            number = self._add(key, frame, owner, below, coroutine)
        return number

    def _classify(self, code: types.CodeType) -> bool | None:
        self._codes.append(code)
        mine = is_user_file(code.co_filename) or (None if code.co_name.startswith("__a") else False)
        self._is_user[id(code)] = mine
        return mine

    def _add(
        self, key: tuple[int, int, object], frame: types.FrameType | None, owner: Any, below: object, top: Any
    ) -> int:
        function = bare_function(frame.f_code.co_qualname) if frame is not None else type(owner).__name__
        if isinstance(below, types.CodeType):
            awaited = _name_of(below, owner)
        elif isinstance(below, type):
            awaited = _AWAITED_TYPES.get(below.__name__, below.__name__)
        else:
            awaited = "yield"
        site = Site(
            function=function,
            awaited=awaited,
            file=self.short(frame.f_code.co_filename) if frame is not None else "",
            line=frame.f_lineno if frame is not None else 0,
            chain=tuple(
                f"{bare_function(f.f_code.co_qualname)} {self.short(f.f_code.co_filename)}:{f.f_lineno}"
                for f in frames_of(top)
                if is_user_file(f.f_code.co_filename)
            ),
        )
        number = self._by_value.setdefault(site, len(self.sites))
        if number == len(self.sites):
            self.sites.append(site)
            self.keys.append((function, awaited))
        self._numbers[key] = number
        return number

    def short(self, filename: str) -> str:
        """A file as people know it: relative to the project, or `<stdlib>/…`, or `<site>/…`."""
        real = os.path.realpath(filename)
        if real.startswith(self._root) and not any(mark in real for mark in SITE_MARKS):
            return real[len(self._root) :].replace(os.sep, "/")
        for mark in SITE_MARKS:
            if mark in real:
                return "<site>/" + real.rpartition(mark)[2].replace(os.sep, "/")
        for prefix in STDLIB:
            if real.startswith(prefix):
                return "<stdlib>/" + real[len(prefix) :].replace(os.sep, "/")
        return os.path.basename(filename)


class ChainTable:
    """Numbers for where tasks wait, by the whole chain of the user's frames; the same through many runs of a process.

    0 stands for a task that has not run yet.   names: of each number, stable across processes.
    """

    def __init__(self) -> None:
        self._is_user: dict[int, bool] = {}
        self._codes: list[types.CodeType] = []
        self._numbers: dict[tuple[int, ...], int] = {}
        self._named: dict[str, int] = {"start": 0}
        self._met: set[int] = set()
        self.names: list[str] = ["start"]

    def number(self, task: Any) -> int:
        """The number of where a suspended task waits."""
        is_user = self._is_user
        chain: list[int] = []
        current: Any = task.get_coro()
        for _ in range(MAX_DEPTH):
            kind: Any = type(current)  # pyright: ignore[reportUnknownVariableType]
            frame: types.FrameType | None = None
            if kind is types.CoroutineType:
                code, awaiting = current.cr_code, current.cr_await
            elif current is None or _goes_no_further(kind):
                break
            elif (frame := _frame_of(current)) is not None:
                code, awaiting = frame.f_code, _awaited_by(current)
            else:
                current = _awaited_by(current)
                continue
            mine = is_user.get(id(code))
            if mine is None:
                self._codes.append(code)
                mine = is_user[id(code)] = is_user_file(code.co_filename)
            if mine:
                # A frame is an object of its own as soon as somebody looks at it: only those that count are made one.
                frame = frame or current.cr_frame
                if frame is not None:
                    chain += (id(code), frame.f_lasti)
            current = awaiting
        key = tuple(chain)
        number = self._numbers.get(key)
        if number is None:
            lines = [f for f in frames_of(task.get_coro()) if is_user_file(f.f_code.co_filename)]
            name = " ".join(f"{bare_function(f.f_code.co_qualname)}:{f.f_lineno}" for f in lines)
            number = self.number_of(name)
            place = 1
            while number in self._met:  # several waits in one line
                place += 1
                number = self.number_of(f"{name}#{place}")
            self._met.add(number)
            self._numbers[key] = number
        return number

    def number_of(self, name: str) -> int:
        """The number that goes with a name, whether or not any task has waited there."""
        number = self._named.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number


def _name_of(below: types.CodeType, owner: Any) -> str:
    """What a program awaits in this function: an anyio group is one on both backends."""
    awaited = bare_function(below.co_qualname)
    awaited = _AWAITED_NAMES.get(awaited, awaited)
    if awaited == "Nursery.__aexit__" and any(f.f_code.co_qualname == "TaskGroup.__aexit__" for f in frames_of(owner)):
        return "TaskGroup.__aexit__"
    return awaited


def frames_of(coroutine: Any) -> Iterator[types.FrameType]:
    """The frames of a suspended coroutine, outermost first."""
    current = coroutine
    for _ in range(MAX_DEPTH):
        if current is None:
            return
        frame = _frame_of(current)
        if frame is not None:
            yield frame
        current = _awaited_by(current)


def innermost_awaitable(coroutine: Any) -> Any:
    """What finally suspends: the object that no frame stands below."""
    current = coroutine
    for _ in range(MAX_DEPTH):
        below = _awaited_by(current)
        if below is None:
            return current
        current = below
    return current


def _frame_of(awaitable: Any) -> types.FrameType | None:
    for name in _FRAMES:
        frame = getattr(awaitable, name, None)
        if frame is not None:
            return frame  # type: ignore[no-any-return]
    hidden = _hidden_behind(awaitable)
    return _frame_of(hidden) if hidden is not None else None


def _awaited_by(awaitable: Any) -> Any:
    for name in _AWAITED:
        below = getattr(awaitable, name, None)
        if below is not None:
            return below
    hidden = _hidden_behind(awaitable)
    return _awaited_by(hidden) if hidden is not None else None


def _step_into(awaitable: Any) -> tuple[types.CodeType, Any] | None:
    """Code and awaited object of something that is neither a coroutine nor a generator, or None at the end."""
    for name in ("cr_code", "gi_code", "ag_code"):
        code = getattr(awaitable, name, None)
        if code is not None:  # async generators, and compiled or wrapped coroutines
            return code, _awaited_by(awaitable)
    hidden = _hidden_behind(awaitable)
    return _step_into(hidden) if hidden is not None else None


def _hidden_behind(awaitable: Any) -> Any:
    """What an object of the interpreter's own drives, known only to the collector: `asend()` its generator, `anext()`
    what it awaits, and `coroutine.__await__()` its coroutine.
    """
    if type(awaitable).__name__ not in _WRAPPERS:
        return None
    referents: list[Any] = gc.get_referents(awaitable)
    return next((r for r in referents if type(r) in _DRIVEN or type(r).__name__ in _WRAPPERS), None)


@functools.cache
def _goes_no_further(kind: type) -> bool:
    """Whether nothing of this type has a frame or awaits anything, whatever is asked of it: a future's iterator."""
    has_none = not any(hasattr(kind, name) for name in (*_FRAMES, *_AWAITED, "__getattr__"))
    return has_none and kind.__dictoffset__ == 0 and kind.__name__ not in _WRAPPERS


def locals_of(frame: types.FrameType) -> dict[str, Any]:
    """The frame's local variables."""
    return dict(frame.f_locals)


def raised_at(error: BaseException, table: SiteTable) -> str:
    """`file:line` of the innermost user frame an exception passed, or of its innermost frame."""
    trace = error.__traceback__
    last = mine = None
    while trace is not None:
        last = trace
        if is_user_file(trace.tb_frame.f_code.co_filename):
            mine = trace
        trace = trace.tb_next
    chosen = mine or last
    if mine is None and last is not None and os.path.realpath(last.tb_frame.f_code.co_filename).startswith(OURS):
        return ""  # a claim that was found broken when all was over
    return f"{table.short(chosen.tb_frame.f_code.co_filename)}:{chosen.tb_lineno}" if chosen is not None else ""


assert sys.version_info >= (3, 11), "code objects have qualified names from 3.11 on"
