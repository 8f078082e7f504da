"""How each fault is carried out on a trio task. Everything is done between steps.

Cancel    through a cancel scope, for trio cancels nothing else: the one that anyio puts around each task of a group;
          else that of the task's nursery, once its host only waits for its children (as ADR 001 has it for asyncio).
          `cancel:scope` is the innermost scope that the task is in, whatever its host is doing.
Expire    the pending deadline that covers the task and fires first is brought forward to this instant: then it wins,
          as trio never lets a deadline overtake a wake-up that has come.
Fail      what the task waits for is broken off, as trio breaks it off for KeyboardInterrupt, with this error.
Delay     its next wake-up is kept back, and let go later.
Crash     its node dies (nodes): no step and no `finally` of the node runs any more.
Pause     its node's steps are kept back and run when it goes on.
"""

from __future__ import annotations

import math
import re
from typing import Any, assert_never

import trio

from faultloop.drivers import nodes
from faultloop.drivers.faults import CANCEL_MESSAGE, make_error, own_scope
from faultloop.drivers.trio import private
from faultloop.drivers.trio.forgetting import no_crashes
from faultloop.drivers.trio.host import Host
from faultloop.drivers.trio.nodes import life_of
from faultloop.model.faults import Cancel, Crash, Delay, Expire, Fail, Fault, Pause

REASON_MAX = 200
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+")
_BARE = "the task gave way at a bare checkpoint, where nothing can fail: it can be cancelled or delayed"


class Injector:
    """Delivers faults to tasks of one run, and keeps wake-ups back."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._delays: dict[Any, int] = {}
        self._kept: list[tuple[int, int, Any]] = []
        self.is_busy = False
        """Whether some wake-up is kept back, or is to be."""
        self.injected: list[BaseException] = []
        """Errors raised by Fail, to be recognised when they come out at the top."""
        self.newly_kept: list[Any] = []
        """Tasks whose wake-up was kept back since somebody last looked."""
        host.keeper = self

    def strike(self, fault: Fault, task: Any) -> str:
        """Deliver a fault to a suspended task now. Returns why it could not be, or nothing."""
        match fault:
            case Cancel(via):
                return self._cancel(task, via)
            case Fail():
                return self._fail(fault, task)
            case Delay(nanoseconds):
                self._delays[task] = nanoseconds
                self.is_busy = True
                return ""
            case Expire():
                return self._expire(task)
            case Crash(restart):
                return no_crashes() or nodes.crash(life_of(task), restart)
            case Pause(nanoseconds):
                return nodes.pause(life_of(task), nanoseconds)
            case _:
                assert_never(fault)

    # Keeping wake-ups back

    def keeps(self, task: Any) -> bool:
        """A task is ready: is it kept back?"""
        nanoseconds = self._delays.pop(task, None)
        if nanoseconds is None:
            return False
        self._kept.append((self._host.now + nanoseconds, private.counter(task), task))
        self._kept.sort(key=lambda row: row[:2])
        self.newly_kept.append(task)
        return True

    def next_release(self) -> int | None:
        """The instant at which the first of those kept back comes free, or None."""
        return self._kept[0][0] if self._kept else None

    def release(self, now: int) -> list[Any]:
        """Those that come free now."""
        free = [task for instant, _, task in self._kept if instant <= now]
        self._kept = [row for row in self._kept if row[0] > now]
        self.is_busy = bool(self._delays or self._kept)
        return free

    # The faults

    def _cancel(self, task: Any, via: str) -> str:
        if via == "task":
            return "trio cancels scopes, not tasks: ask for cancel, or for cancel:scope"
        if via == "scope":
            scope = next(iter(private.scopes_around(task)), None)
            if scope is None:
                return "no cancel scope covers the task"
        else:
            scope = own_scope_of(task) or (grounds.scope_of(task) if (grounds := self._host.nodes) else None)
            if scope is None:
                if obstacle := self._nursery_obstacle(task):
                    return obstacle
                is_main = task is self._host.runner.main_task
                scope = (self._host.main_scope if is_main else None) or task.parent_nursery.cancel_scope
        cancel(scope)
        return ""

    def _nursery_obstacle(self, task: Any) -> str:
        """Why nobody would cancel the nursery of this task from outside just now, or nothing."""
        nursery = task.parent_nursery
        if nursery is None or task in self._host.plumbing:
            return "the task is one of trio's own"
        if task is self._host.runner.main_task:
            return ""
        if task.eventual_parent_nursery is not None:
            return "the task has not reported that it has started, and whoever started it waits for that"
        if not private.is_parent_waiting(nursery):
            return (
                "trio can cancel the task only with its whole nursery, whose host is in the middle of its own block: "
                "ask for cancel:scope if somebody may cancel that"
            )
        return ""

    def _expire(self, task: Any) -> str:
        scope = deadline_scope(task)
        if scope is None:
            return "no deadline covers the task at this await, so none can expire"
        host = self._host
        scope.deadline = host.clock.current_time()
        private.expire(host.runner, host.clock.current_time())
        return ""

    def _fail(self, fault: Fail, task: Any) -> str:
        error = make_error(fault)
        if not private.can_be_aborted(task):
            return _BARE if private.is_scheduled(task) else "the wait is shielded from all that could break it off"
        if any(private.is_parent_waiting(nursery) for nursery in task.child_nurseries):
            return "the task waits for the children of a nursery, which cannot fail: it can be cancelled"
        obstacle = private.raise_at(task, error)
        if not obstacle:
            self.injected.append(error)
        return obstacle


def cancel(scope: Any) -> None:
    """Cancel a scope, and say who it was where this trio lets a cancellation have a reason."""
    try:
        scope.cancel(reason=CANCEL_MESSAGE)
    except TypeError:
        scope.cancel()


def cancelled_in_words(error: trio.Cancelled) -> str:
    """How a task ended that was cancelled: with who did it and why, as far as this trio says so (from 0.31 on).

    That it was a fault of ours is told of the fault.
    """
    source, reason = getattr(error, "source", "unknown"), getattr(error, "reason", None)
    if reason == CANCEL_MESSAGE:
        return "cancelled"
    why = [*([source] if source not in ("explicit", "unknown") else []), *([str(reason)] if reason else [])]
    return ": ".join(["cancelled", *(_ADDRESS.sub("0x…", text)[:REASON_MAX] for text in why)])


def own_scope_of(task: Any) -> Any:
    """The cancel scope that anyio puts around this whole task and nothing else, or None."""
    return own_scope(_Known(task.coro))


class _Known:
    """A task as asyncio has it, as far as looking for a scope goes."""

    def __init__(self, coroutine: Any) -> None:
        self._coroutine = coroutine

    def get_coro(self) -> Any:
        return self._coroutine


def deadline_scope(task: Any) -> Any:
    """The scope whose pending deadline covers a task and passes first, or None."""
    pending = [scope for scope in private.scopes_around(task) if scope.deadline < math.inf and not scope.cancel_called]
    return min(pending, key=lambda scope: scope.deadline) if pending else None
