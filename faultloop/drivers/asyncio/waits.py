"""Who waits for whom: one line per suspended task, with what would let it go on and who holds it, where known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from faultloop.drivers.asyncio.trace import Tracer
from faultloop.drivers.frames import SiteTable, frames_of
from faultloop.drivers.waits import MAX_LINES, NEEDS
from faultloop.model.outcome import Waiting
from faultloop.model.text import counted

TASK: type[Any] = asyncio.Task


def waiting_tasks(tasks: Iterable[Any], tracer: Tracer, sites: SiteTable) -> tuple[Waiting, ...]:
    """The wait-for graph of these tasks, in order of creation, at most 30 lines."""
    alive = sorted((t for t in tasks if not t.done()), key=lambda task: tracer.node_of(task).index)
    return tuple(_line(task, alive, tracer, sites) for task in alive[:MAX_LINES])


def _line(task: Any, alive: list[Any], tracer: Tracer, sites: SiteTable) -> Waiting:
    site = sites.sites[sites.number(task)]
    waiter = task._fut_waiter
    owner: Any = _owner_of_lock(task, alive)
    needs = NEEDS.get(site.awaited, "")
    if isinstance(waiter, TASK):
        owner, needs = waiter, "its end"
    elif isinstance(getattr(waiter, "_children", None), list):
        unfinished = [child for child in waiter._children if not child.done()]
        owner = next((child for child in unfinished if isinstance(child, TASK)), None)
        needs = f"the end of {counted(len(unfinished), 'task')}"
    path = tracer.node_of(owner).path if isinstance(owner, TASK) else ""
    return Waiting(tracer.node_of(task).path, f"{site.function}>{site.awaited}", site.place, needs, path)


def _owner_of_lock(task: Any, alive: list[Any]) -> Any:
    """The task that holds the lock this task waits for, if the lock knows it: ours in a traced run, anyio's always."""
    for frame in frames_of(task.get_coro()):
        if frame.f_code.co_name.startswith("acquire"):
            lock = frame.f_locals.get("self")
            owner = getattr(lock, "faultloop_owner", None) or getattr(lock, "_owner_task", None)
            if owner is None or isinstance(owner, TASK):
                return owner
            number = getattr(owner, "id", None)  # anyio has kept a description of the task in its time
            return next((other for other in alive if id(other) == number), None)
    return None
