"""A bounded end for every run on trio, whatever the program does with its cancellation."""

from __future__ import annotations

import ctypes
import time
import warnings
from typing import Any

from faultloop.drivers.alarm import OutOfTime
from faultloop.drivers.bounds import VIRTUAL_SECONDS, WALL_SECONDS
from faultloop.drivers.frames import MAX_DEPTH
from faultloop.drivers.trio import private
from faultloop.drivers.trio.faults import cancel
from faultloop.drivers.trio.host import Host
from faultloop.errors import Deadlock, Livelock, OverLimit
from faultloop.model.faults import NANOSECONDS
from faultloop.model.text import counted


def tear_down(host: Host) -> str:
    """Cancel what is left, and let trio shut down; leave behind what will not end. Returns what that was, if any."""
    limits = host.limits
    host.end_calmly()
    host.wall_end = time.perf_counter() + WALL_SECONDS
    host.virtual_end = host.now + round(VIRTUAL_SECONDS * NANOSECONDS)
    step_end = host.step + limits.teardown_steps
    untidy = ""
    try:
        if host.runner.main_task_outcome is None and host.runner.main_task is not None and not host.has_ended:
            cancel(host.runner.main_task.parent_nursery.cancel_scope)
        turns = 0
        while not host.has_ended:
            host.turn()
            turns += 1
            if host.step >= step_end or turns > limits.teardown_steps or time.perf_counter() > host.wall_end:
                raise OverLimit("the end of the run takes too long")
    except (Deadlock, Livelock, OverLimit, OutOfTime) as halted:
        untidy = type(halted).__name__.lower()
    except BaseException as error:  # what trio makes of a system task that failed
        host.failure = error
    left = sorted(set(host.runner.tasks) - host.plumbing, key=private.counter)
    _leave_behind(host)
    return f"{counted(len(left), 'task')} would not end" if left else untidy


def _leave_behind(host: Host) -> None:
    """Close the loop under whatever is left, and then the coroutines themselves."""
    left: list[Any] = sorted(host.runner.tasks, key=private.counter, reverse=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for task in left:
            chain = _awaited_from(task.coro)
            private.close_coroutine(host.runner, task)
            for each in chain:
                if getattr(each, "cr_frame", None) is not None:
                    _never_collect(each)
        host.close()


def _never_collect(coroutine: Any) -> None:
    """Keep what does not end when it is closed for ever, even when the interpreter ends.

    To collect it is to close it once more, with no loop around: each await would fail at once, and a loop that swallows
    errors would spin.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))


def _awaited_from(coroutine: Any) -> list[Any]:
    """A coroutine and those that it waits in, one in another."""
    chain: list[Any] = []
    while coroutine is not None and len(chain) < MAX_DEPTH:
        chain.append(coroutine)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return chain
