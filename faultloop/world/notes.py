"""What a program says about its own run: notes in the trace, and where it is, for lines of a log.

Outside of a run, and in runs that nobody records, a note goes nowhere: it can stay in code that is also run for real.
"""

from __future__ import annotations

import sys
from asyncio import events
from asyncio import tasks as asyncio_tasks
from dataclasses import dataclass
from typing import Any

from faultloop.drivers.asyncio.loop import Loop
from faultloop.engine.paths import bare_function, is_default_name
from faultloop.model.faults import NANOSECONDS
from faultloop.world.nodes import trio_host_here


@dataclass(frozen=True, slots=True)
class Here:
    """Where a run is. seconds: virtual, since it began.   task, node: by name; empty where there is none."""

    seconds: float
    step: int
    task: str = ""
    node: str = ""


def note(text: str) -> None:
    """Put a line into the trace of the run that this is called in, beside the task that runs.

    Numbers, as in `backlog = 12`, are plotted on the run's page, each name over virtual time.
    """
    recorder = _recorder()
    if recorder is not None:
        recorder.note(text, own=True)


def here() -> Here | None:
    """Where the run is that this is called in; None outside of one."""
    loop = events._get_running_loop()
    if isinstance(loop, Loop):
        task: Any = asyncio_tasks.current_task(loop)
        return Here(loop.now / NANOSECONDS, loop.step, _name_of(task), _node_of(task))
    host = trio_host_here()
    if host is None:
        return None
    return Here(host.now / NANOSECONDS, host.step, *sys.modules["faultloop.drivers.trio.nodes"].task_here(host))


def _recorder() -> Any:
    loop = events._get_running_loop()
    if isinstance(loop, Loop):
        return loop
    return trio_host_here()


def _name_of(task: Any) -> str:
    """A task's own part of its path; never asyncio's `Task-7`, which is another one in each run of a process."""
    if task is None:
        return ""
    watched = getattr(task, "node", None)
    if watched is not None:
        return str(watched.settle().rpartition("/")[2])
    name = getattr(task, "label", "") or task.get_name()
    coroutine = task.get_coro()
    made_up = is_default_name(name) and coroutine is not None
    return bare_function(getattr(coroutine, "__qualname__", "") or type(coroutine).__name__) if made_up else name


def _node_of(task: Any) -> str:
    life = getattr(task, "home", None)
    return "" if life is None else str(life.node.name)
