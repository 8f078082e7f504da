"""The objects the loop hands out: tasks, futures and handles that never order anything by memory address.

asyncio keeps tasks and futures in sets, and a set's order follows its members' hashes, which are addresses. Ours are
ordinals, dense and counted per loop. They stay C objects otherwise: no coroutine is wrapped, and a step costs what it
costs on asyncio's own loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import sys
import types
from asyncio import events, futures
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from faultloop.drivers.asyncio import nodes
from faultloop.drivers.timers import FOREVER_SECONDS
from faultloop.model.faults import NANOSECONDS

if TYPE_CHECKING:
    from faultloop.drivers.asyncio.loop import Loop
    from faultloop.drivers.nodes import Life
    from faultloop.engine.paths import TaskNode

CFuture = asyncio.Future
"""The C future. `asyncio.Future` names another class while a run lasts (see `ordering`)."""


class Task(asyncio.Task[Any]):
    """asyncio's own C task, with an ordinal and a place for its node."""

    __slots__ = ("group_cancels", "home", "label", "node", "ordinal")

    group_cancels: int
    """Cancellations by its own TaskGroups that these have not taken back. Unset when there was none."""
    ordinal: int
    """From 1, in order of creation. Set before __init__, which already hashes the task."""
    label: str
    """The name the program gave it. Unset when it gave none."""
    home: Life
    """The life of the node it runs on. Unset when it runs on none."""
    node: TaskNode
    """What the watcher knows of it. Unset unless a watcher saw it being made."""

    def __hash__(self) -> int:
        return self.ordinal

    __eq__ = object.__eq__

    def set_name(self, value: object) -> None:
        """Name the task; asyncio 3.11 and 3.12 do this after creating it."""
        self.label = str(value)
        if (node := getattr(self, "node", None)) is not None:
            node.rename(self.label)
        super().set_name(value)

    def cancel(self, msg: Any | None = None) -> bool:
        """Request cancellation. A Python method, so that `call_soon(task.cancel)` is not taken for a step."""
        if _caller_is("_on_task_done"):
            self.group_cancels = getattr(self, "group_cancels", 0) + 1
        return super().cancel(msg)

    def uncancel(self) -> int:
        """Take a request for cancellation back."""
        if _caller_is("__aexit__"):
            self.group_cancels = getattr(self, "group_cancels", 1) - 1
        return super().uncancel()

    @property
    def is_still_cancelled(self) -> bool:
        """Whether somebody cancelled the task and nobody took it back.

        A TaskGroup cancels its own host when a child fails, and up to 3.12 forgets to take that back if the host was
        already waiting for its children: that is no request of anybody's.
        """
        return self.cancelling() > getattr(self, "group_cancels", 0)


def _caller_is(function: str) -> bool:
    """Whether a method of this module was called by that method of a TaskGroup."""
    frame = sys._getframe(2)
    return frame.f_code.co_name == function and frame.f_globals.get("__name__") == "asyncio.taskgroups"


class Future(asyncio.Future[Any]):
    """asyncio's own C future, hashed by the order in which futures were first hashed: creating one runs no Python."""

    __slots__ = ("_ordinal",)

    _ordinal: int

    def __hash__(self) -> int:
        try:
            return self._ordinal
        except AttributeError:
            loop = self.get_loop()
            self._ordinal = ordinal = getattr(loop, "_next_hash", id)(self)
            return ordinal

    __eq__ = object.__eq__


class ForLibrary:
    """What asyncio's locks and queues, and its sleep, see of the loop: their futures never reach the program."""

    __slots__ = ("_loop", "create_future")

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.create_future: Callable[[], CFuture[Any]] = functools.partial(CFuture, loop=loop)

    def call_later(self, delay: float, callback: Any, future: Any, result: Any) -> Timer:
        """As `asyncio.sleep` asks for it; its timer is made here, for a sleep costs as much as three yields already."""
        loop = self._loop
        if callback is not _WAKE_SLEEPER or not delay < FOREVER_SECONDS or loop._debug or loop._closed:
            return cast(Timer, loop.call_later(delay, callback, future, result))
        instant = loop.now + (round(delay * NANOSECONDS) or 1)
        timer = _new(SleepTimer)
        timer._context = None
        timer._loop = loop
        timer._callback = callback
        timer._args = (future, result)
        timer._cancelled = False
        timer._repr = None
        timer._source_traceback = None
        timer._when = instant / NANOSECONDS
        timer._scheduled = True
        loop.agenda.add(instant, timer)
        return cast(Timer, timer)


class Callback(events.Handle):
    """A plain callback in the ready queue; runs itself, and reports an exception as asyncio does.

    Made and run without the detours of the class it stands for: an exploration makes millions.
    """

    __slots__ = ()

    _args: Any
    _callback: Any
    _cancelled: bool
    _context: contextvars.Context
    _loop: Any

    def __init__(
        self, callback: Any, args: tuple[Any, ...], loop: Loop, context: contextvars.Context | None = None
    ) -> None:
        if loop._debug:
            super().__init__(callback, args, loop, context)
            return
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None

    def run(self, callback: Callable[..., object], /) -> None:
        """Run unless cancelled. callback: unused; the handle has its own."""
        if self._cancelled:
            return
        try:
            self._context.run(self._callback, *self._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            _complain(self, error)


class Timer(events.TimerHandle):
    """A callback with a time. `when()` is its instant as a float, for asyncio's surface."""

    __slots__ = ()

    _args: Any
    _callback: Any
    _cancelled: bool
    _context: contextvars.Context | None
    _loop: Any
    _repr: str | None
    _scheduled: bool
    """Whether it is on the agenda."""
    _source_traceback: Any
    _when: float

    run = Callback.run

    def cancel(self) -> None:
        """Cancel; does nothing the second time, or after it has run."""
        if self._cancelled:
            return
        if self._scheduled:
            self._loop.agenda.note_cancelled()
        if self._loop._debug:
            super().cancel()
            return
        self._cancelled = True
        self._callback = None
        self._args = None


class SleepTimer(Timer):
    """What `asyncio.sleep` sets: most timers of most programs. It runs no code of the program, so needs no context."""

    __slots__ = ()

    def run(self, callback: Callable[..., object], /) -> None:
        """Wake the sleeper, unless it is gone. callback: unused; it would do the same."""
        if self._cancelled:
            return
        future, result = self._args
        try:
            if not future.cancelled():
                future.set_result(result)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            _complain(self, error)

    def cancel(self) -> None:
        """The sleeper is gone: most often because this has woken it, and nothing is left to undo."""
        if self._scheduled and not self._cancelled:
            self._loop.agenda.note_cancelled()
            self._args = None
        self._cancelled = True


_WAKE_SLEEPER: Any = getattr(futures, "_set_result_unless_cancelled", None)
_new: Any = object.__new__


def set_timer(
    loop: Loop, instant: int, callback: Any, args: tuple[Any, ...], context: contextvars.Context | None
) -> Timer:
    """A timer for this instant, on the agenda. Made without the detours of its class, as Callback is."""
    if loop._closed:
        loop._check_closed()
    if loop._debug:
        timer = _debugged_timer(loop, instant, callback, args, context)
    else:
        timer = _new(Timer)
        timer._context = contextvars.copy_context() if context is None else context
        timer._loop = loop
        timer._callback = callback
        timer._args = args
        timer._cancelled = False
        timer._repr = None
        timer._source_traceback = None
        timer._when = instant / NANOSECONDS
    if instant <= loop.now:
        timer._scheduled = False
        loop.due.append(timer)  # as in asyncio: at the next turn, behind the callbacks and I/O of this one
    else:
        timer._scheduled = True
        loop.agenda.add(instant, timer)
    return timer


def _debugged_timer(
    loop: Any, instant: int, callback: Any, args: tuple[Any, ...], context: contextvars.Context | None
) -> Timer:
    loop._check_thread()
    loop._check_callback(callback, "call_at")
    return Timer(instant / NANOSECONDS, callback, args, loop, context)


def _complain(handle: Any, error: BaseException) -> None:
    """Report a callback's exception in asyncio's own words."""
    described = getattr(handle._callback, "__qualname__", None) or repr(handle._callback)
    handle._loop.call_exception_handler(
        {"message": f"Exception in callback {described}", "exception": error, "handle": handle}
    )


class ForeignCallback:
    """A stock handle that asyncio's selector code made (readers, writers, signals), made runnable as an entry."""

    __slots__ = ("handle",)

    def __init__(self, handle: Any) -> None:
        self.handle = handle

    def run(self, callback: Callable[..., object], /) -> None:
        """Run unless cancelled."""
        if not self.handle._cancelled:
            self.handle._run()


def _learn_step_type() -> type:
    """The C type of what a task queues to run its next step; it has no name of its own in the library."""

    class Catcher:
        caught: object = None

        def get_debug(self) -> bool:
            return False

        def call_soon(self, callback: object, *args: object, context: object = None) -> None:
            self.caught = callback

    async def nothing() -> None:
        pass

    catcher, coroutine = Catcher(), nothing()
    task = asyncio.Task(coroutine, loop=catcher)  # type: ignore[arg-type]
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    coroutine.close()
    return type(catcher.caught)


StepCallback = _learn_step_type()
"""What a task queues to begin, or to go on after a bare yield."""
BuiltinMethod = types.BuiltinFunctionType
"""The type of the bound C method with which a future wakes the task that waits for it."""
WAKERS = {CFuture, Future, Task, asyncio.Task}
"""The types of future a wake-up usually comes from; others are recognised more slowly."""


def is_wakeup(callback: object, argument: object) -> bool:
    """Whether this is a future waking a task of some other class than ours."""
    return (
        type(callback) is BuiltinMethod
        and isinstance(callback.__self__, asyncio.Task)
        and asyncio.isfuture(argument)
        and callback.__name__ == "task_wakeup"
    )


def make_task(loop: Loop, coro: Any, *, name: object, context: contextvars.Context | None, **extra: Any) -> Task:
    """A task of ours. extra: what newer asyncio passes on (`eager_start`)."""
    task = Task.__new__(Task)
    loop._task_ordinal = task.ordinal = loop._task_ordinal + 1
    if name is not None:
        task.label = str(name)
    Task.__init__(task, coro, loop=loop, name=cast(Any, name), context=context, **extra)
    if loop.nodes is not None:
        nodes.adopt(task, context)
    if extra and loop.complaints is not None and task.done() and task._log_traceback:
        loop.failed_at_once.append(task)
    return task
