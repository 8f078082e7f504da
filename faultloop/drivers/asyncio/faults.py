"""How each fault is carried out on an asyncio task. No wrapper around coroutines: everything is done between steps.

Cancel    the way real cancellations come: a task that anyio runs through its own cancel scope where anyio gives it one,
          else through that of its group, once its host only waits for it (ADR 001); any other by Task.cancel().
Fail      a wake-up's future is swapped for a finished one that carries the error, which the C task then raises at
          exactly that await. While the task is still parked, what it waits for is cancelled first, so that it cleans
          up, and the wake-up that comes of it is swapped. The task itself is never cancelled: `cancelling()` stays 0.
Delay     its next wake-up is taken out of the ready queue and put back later.
Crash     its node dies (nodes): no step, no callback, no `finally` of the node runs any more.
Pause     its node's steps and callbacks are kept back and run when it goes on.
Expire    its next wake-up is taken out until the innermost deadline that covers the task has fired.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import AbstractEventLoop
from typing import Any, assert_never, cast

from faultloop.drivers import nodes
from faultloop.drivers.asyncio.handles import CFuture, Timer
from faultloop.drivers.asyncio.loop import Loop
from faultloop.drivers.asyncio.turns import HELD
from faultloop.drivers.faults import CANCEL_MESSAGE, make_error, own_scope
from faultloop.drivers.frames import frames_of
from faultloop.drivers.ready import ABSENT, Entry
from faultloop.model.faults import NANOSECONDS, Cancel, Crash, Delay, Expire, Fail, Fault, Pause


class Injector:
    """Delivers faults to tasks of one loop, and follows those that take more than one step."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._swaps: dict[Any, BaseException] = {}
        self._holds: dict[Any, Timer | int] = {}
        self._held: list[tuple[Timer, Entry]] = []
        self.injected: list[BaseException] = []
        """Errors raised by Fail, to be recognised when they come out at the top."""
        self.expires_by_cancel = False
        """Whether a deadline held for is a plain `call_later(…, task.cancel)`: then a cancellation comes out."""

    @property
    def is_busy(self) -> bool:
        """Whether some fault still needs to see the coming steps."""
        return bool(self._swaps or self._holds or self._held)

    def strike(self, fault: Fault, task: Any, argument: Any = ABSENT, *, is_woken: bool = False) -> tuple[Any, str]:
        """Deliver a fault now. argument: that of the step about to run, when the task is woken.

        Returns the step's argument, perhaps another one, and why the fault could not be delivered, or nothing.
        """
        match fault:
            case Cancel(via):
                return argument, self._cancel(task, via)
            case Fail():
                return self._fail(fault, task, argument, is_woken=is_woken)
            case Delay(nanoseconds):
                self._holds[task] = nanoseconds
                return argument, ""
            case Expire():
                return argument, self._expire(task)
            case Crash(restart):
                return argument, nodes.crash(getattr(task, "home", None), restart)
            case Pause(nanoseconds):
                return argument, nodes.pause(getattr(task, "home", None), nanoseconds)
            case _:
                assert_never(fault)

    def before_step(self, task: Any, argument: Any, entry: Entry) -> Any:
        """A step is about to run: swap its argument or hold it, if a fault asks for it."""
        if task in self._holds:
            return self._hold(self._holds.pop(task), (entry[0], entry[1], argument))
        if task in self._swaps:
            error = self._swaps.pop(task)
            if argument is not ABSENT and not task._must_cancel:  # a cancellation of the program's own comes first
                return self._failed(error, argument)
        return argument

    def release_due(self) -> None:
        """Let go every wake-up whose deadline has fired or was cancelled. Called after each entry while busy."""
        if self._held:
            self._release([row for row in self._held if not row[0]._scheduled or row[0]._cancelled])

    def release_all(self) -> None:
        """Let everything held go on: the run is over."""
        self._release(self._held[:])
        self._holds.clear()
        self._swaps.clear()

    def _release(self, rows: list[tuple[Timer, Entry]]) -> None:
        for row in rows:
            self._held.remove(row)
            self._loop.queue.push(row[1])

    def _hold(self, until: Timer | int, entry: Entry) -> Any:
        loop = self._loop
        if isinstance(until, int):
            timer = loop.call_at((loop.now + until) / NANOSECONDS, _nothing)
            self._held.append((timer, entry))
            return HELD
        if until._cancelled or not until._scheduled:
            loop.queue.push(entry)  # its deadline has fired or gone meanwhile: nothing left to wait for
            return HELD
        self._held.append((until, entry))
        return HELD

    def _cancel(self, task: Any, via: str) -> str:
        if task.done():
            return "the task had ended"
        scope = own_scope(task) if via == "auto" else None
        if scope is None and via != "task":
            scope = group_scope(task)
            if scope is None and via == "scope":
                return "no cancel scope of a task group covers the task"
            if scope is not None and via == "auto" and is_in_its_block(scope):
                return (
                    "this anyio can cancel the task only with its whole group, whose host is in the middle of its own "
                    "block: ask for cancel:scope if somebody may cancel that"
                )
        if scope is None:
            task.cancel(CANCEL_MESSAGE)
        else:
            scope.cancel()
        return ""

    def _expire(self, task: Any) -> str:
        deadline = deadline_of(self._loop, task)
        if deadline is None and (inner := inner_of_wait_for(task)) is not None:
            if inner.done() or not isinstance(inner, asyncio.Task):
                return "wait_for of this Python lets a result win over its deadline: expire the task it waits for"
            task, deadline = cast(Any, inner), deadline_of(self._loop, inner)
        if deadline is None:
            return "no deadline covers the task at this await, so none can expire"
        self._holds[task] = deadline
        self.expires_by_cancel |= isinstance(getattr(deadline._callback, "__self__", None), asyncio.Task)
        return ""

    def _fail(self, fault: Fail, task: Any, argument: Any, *, is_woken: bool) -> tuple[Any, str]:
        error = make_error(fault)
        bare = "the task gave way with a bare yield (sleep(0)), where nothing can fail: it can be cancelled or delayed"
        if is_woken:
            return (argument, bare) if argument is ABSENT else (self._failed(error, argument), "")
        waiter = task._fut_waiter
        if waiter is None:
            return argument, bare
        self._swaps[task] = error
        self.injected.append(error)
        waiter.cancel(
            msg=CANCEL_MESSAGE
        )  # refused if it is done: then the wake-up is on its way, and is swapped as well
        return argument, ""

    def _failed(self, error: BaseException, instead_of: Any) -> Any:
        """A future that carries the error. instead_of: the one the task waited for; nobody will look at it now."""
        if instead_of.done() and not instead_of.cancelled():
            instead_of.exception()
        if error not in self.injected:
            self.injected.append(error)
        future: CFuture[Any] = CFuture(loop=cast(AbstractEventLoop, self._loop))
        future.set_exception(error)
        return future


def _nothing() -> None:
    """The callback of a timer that only marks an instant."""


def group_scope(task: Any) -> Any:
    """The cancel scope of the anyio group that spawned this task, or None.

    The scopes a task entered itself have it as their host; the first one outside them is its group's.
    """
    backend: Any = sys.modules.get("anyio._backends._asyncio")
    states = getattr(backend, "_task_states", None)
    state = states.get(task) if states is not None else None
    scope = getattr(state, "cancel_scope", None)
    while scope is not None and scope._host_task is task:
        scope = scope._parent_scope
    return scope


def is_in_its_block(scope: Any) -> bool:
    """Whether the host of a group is still at work inside `async with`, and not yet waiting for its tasks to end.

    Cancelled there, it leaves the block without a word and goes on behind it, which no group kept private ever does.
    """
    host = scope._host_task
    if host is None or host.done():
        return False
    return not any(
        frame.f_code.co_name == "__aexit__" and getattr(frame.f_locals.get("self"), "cancel_scope", None) is scope
        for frame in frames_of(host.get_coro())
    )


def deadline_of(loop: Loop, task: Any) -> Timer | None:
    """The pending deadline that covers a task and fires first, or None.

    Known are asyncio.timeout, wait_for, anyio's and async_timeout's scopes, and plain `call_later(…, task.cancel)`.
    """
    scopes = _scopes_around(task)
    return next((timer for _, timer in loop.agenda.live() if _covers(timer, task, scopes)), None)


def has_deadline(loop: Loop, task: Any) -> bool:
    """Whether some pending deadline covers a task."""
    scopes = _scopes_around(task)
    return any(_covers(timer, task, scopes) for timer in loop.agenda.handles())


def _scopes_around(task: Any) -> list[Any]:
    backend: Any = sys.modules.get("anyio._backends._asyncio")
    states = getattr(backend, "_task_states", None)
    state = states.get(task) if states is not None else None
    scope = getattr(state, "cancel_scope", None)
    found: list[Any] = []
    while scope is not None and len(found) < 100:
        found.append(scope)
        if scope.shield:
            break
        scope = scope._parent_scope
    return found


def _covers(timer: Timer, task: Any, scopes: list[Any]) -> bool:
    owner = getattr(timer._callback, "__self__", None)
    arguments = timer._args or ()
    if owner is task or getattr(owner, "_task", None) is task or any(owner is scope for scope in scopes):
        return True
    if any(argument is task for argument in arguments):
        return True
    if getattr(timer._callback, "__name__", "") != "_release_waiter":
        return False
    # wait_for up to 3.11 makes a task of what it waits for; the deadline and that task's end release the same waiter.
    ends = [getattr(callback, "args", ()) for callback, _ in task._callbacks or ()]
    return any(arguments[:1] == end[:1] for end in ends)


def inner_of_wait_for(task: Any) -> Any:
    """What `wait_for` waits for in a task of its own, when this task waits there and Python is 3.11; else None."""
    for frame in frames_of(task.get_coro()):
        if frame.f_code.co_name == "wait_for" and frame.f_globals.get("__name__") == "asyncio.tasks":
            return frame.f_locals.get("fut")
    return None
