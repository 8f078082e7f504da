"""A bounded end for every run, whatever the program does with its cancellation.

Nothing that happens here counts: the run's outcome is known by now. What will not end within its bounds is left behind
with a word: a task that swallows every cancellation, a timer loop, a spin, an async generator that never closes.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import tasks as asyncio_tasks
from collections.abc import Callable
from typing import Any

from faultloop.drivers.alarm import OutOfTime
from faultloop.drivers.asyncio.loop import Loop
from faultloop.drivers.bounds import VIRTUAL_SECONDS, WALL_SECONDS
from faultloop.errors import Deadlock, Livelock, OverLimit
from faultloop.model.faults import NANOSECONDS
from faultloop.model.limits import Limits
from faultloop.model.text import counted

ROUNDS = 6
"""How often leftover tasks are cancelled anew: each round ends those that the one before set free."""


_WEAK_SETS: list[set[Any]] = [
    getattr(asyncio_tasks, name).data for name in ("_all_tasks", "_scheduled_tasks") if hasattr(asyncio_tasks, name)
]
"""What asyncio keeps its tasks in: 3.11 has the first, 3.12 the other. Read as sets of references, which is cheaper."""
_EAGER_TASKS: set[Any] = getattr(asyncio_tasks, "_eager_tasks", set())


def tasks_of(loop: Loop) -> list[Any]:
    """Every task of this loop that still exists, ended or not, by order of creation."""
    known: list[Any] = [
        task
        for references in _WEAK_SETS
        for reference in tuple(references)
        if (task := reference()) is not None and task.get_loop() is loop
    ]
    if _EAGER_TASKS:
        known += [task for task in tuple(_EAGER_TASKS) if task.get_loop() is loop]
    if not _WEAK_SETS:  # this version of asyncio keeps them in another place
        known += asyncio_tasks.all_tasks(loop)
    known += loop.failed_at_once
    if len(known) > 1:
        known.sort(key=lambda task: getattr(task, "ordinal", 0))
    return known


def tear_down(loop: Loop, *, is_clean: bool = False) -> str:
    """Cancel every task, close every async generator, close the loop. Returns what would not end, or nothing.

    is_clean: no task is left, as is known already.
    """
    if is_clean and not loop._asyncgens and loop._default_executor is None and not _has_io(loop):
        loop.close()
        return ""
    untidy = ""
    loop.choose = None
    limits = loop.limits
    loop.wall_end = time.perf_counter() + WALL_SECONDS
    loop.complaints = []
    try:
        if loop.open_generators:  # asyncio has queued their closing: let it begin before it is cancelled
            untidy = _run_until(loop, [loop.create_task(loop.shutdown_asyncgens())], limits)
        for _ in range(ROUNDS):
            left = _alive(loop)
            if not left:
                break
            _cancel(left)
            untidy = _run_until(loop, left, limits)
        if loop._asyncgens:
            untidy = _run_until(loop, [loop.create_task(loop.shutdown_asyncgens())], limits) or untidy
        if _has_io(loop):
            untidy = _close_io(loop, limits) or untidy
        executor: Any = loop._default_executor
        if executor is not None:
            executor.shutdown(wait=False)
    finally:
        stubborn = _alive(loop)
        for task in stubborn:
            task._log_destroy_pending = False
        loop.close()
    return f"{counted(len(stubborn), 'task')} would not end" if stubborn else untidy


def _has_io(loop: Loop) -> bool:
    """Whether descriptors or children are left, or connections that were told to close and have not come to it."""
    is_open = loop.has_io or (loop.network is not None and loop.network.is_open)
    return bool(loop.subprocesses) or is_open or bool(loop.__dict__.get("_transports"))


def _close_io(loop: Loop, limits: Limits) -> str:
    """Close servers, abort connections and end child processes that are left: the program had no chance to.

    Otherwise their descriptors live until somebody collects them, and complain then, in the middle of another run.
    """
    left = [process for process in loop.subprocesses if process.get_returncode() is None]
    for process in left:
        process.close()
    for handle in _waiting_handles(loop):
        for argument in getattr(handle, "_args", None) or ():
            if isinstance(argument, asyncio.AbstractServer):
                argument.close()
    for _, transport in sorted(loop._transports.items()):
        transport.abort()
    return _run_until(loop, [loop.create_task(_until_closed(left))], limits)


def _waiting_handles(loop: Loop) -> list[Any]:
    """The handles that wait for descriptors, real and simulated ones."""
    keys = list(loop._selector.get_map().values()) if loop.has_io else []
    simulated = loop.network.handles if loop.network is not None else []
    return [handle for key in keys for handle in key.data or ()] + simulated


async def _until_closed(processes: list[Any]) -> None:
    """One turn for the connections, and the real time that children take to end."""
    await asyncio.sleep(0)
    for process in processes:
        await process._wait()


def _alive(loop: Loop) -> list[Any]:
    return [task for task in tasks_of(loop) if not task.done()]


def _cancel(tasks: list[Any]) -> None:
    for task in tasks:
        task.cancel()


def _run_until(loop: Loop, tasks: list[Any], limits: Limits) -> str:
    """Run until the tasks have ended or their small allowance is spent. Returns what ended it early, or nothing.

    The list is emptied: errors keep the frames that know it (see Facts.let_frames_go), and it would keep the errors.
    """
    allowed = Limits(
        steps=loop.step + limits.teardown_steps,
        virtual_seconds=loop.now / NANOSECONDS + VIRTUAL_SECONDS,
        wall_seconds=limits.wall_seconds,
        spin_turns=limits.spin_turns,
        livelock_turns=limits.livelock_turns,
    )
    loop.limit(allowed)
    loop.next_check = allowed.steps
    loop._stopping = False  # a stop() that the end of the run overtook
    left = len(tasks)

    def one_less(_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            loop.call_soon(loop.stop)  # not at once: what their ends have queued runs first

    _tell(tasks, one_less)
    try:
        loop.run_forever()
    except (Deadlock, Livelock, OverLimit, OutOfTime) as halted:
        return type(halted).__name__.lower()
    except (SystemExit, KeyboardInterrupt):
        return "interrupted"
    finally:
        _look_at(tasks)
        tasks.clear()
    return ""


def _tell(tasks: list[Any], callback: Callable[[object], None]) -> None:
    for task in tasks:
        task.add_done_callback(callback)


def _look_at(tasks: list[Any]) -> None:
    """An error in a cleanup is nobody's news any more."""
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()
