"""Who waits for whom on trio: one line per suspended task, with what would let it go on and who holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from faultloop.drivers.frames import SiteTable, frames_of
from faultloop.drivers.trio import private
from faultloop.drivers.trio.sites import site_number
from faultloop.drivers.waits import MAX_LINES, NEEDS
from faultloop.model.outcome import Waiting
from faultloop.model.text import counted

_NEEDS = {
    **NEEDS,
    "MemoryReceiveChannel.receive": "send()",
    "MemorySendChannel.send": "receive()",
}


def waiting_tasks(tasks: Iterable[Any], path_of: Callable[[Any], str], sites: SiteTable) -> tuple[Waiting, ...]:
    """The wait-for graph of these tasks, in order of creation, at most 30 lines. path_of: empty for a stranger."""
    alive = sorted(tasks, key=private.counter)
    return tuple(_line(task, alive, path_of, sites) for task in alive[:MAX_LINES])


def _line(task: Any, alive: list[Any], path_of: Callable[[Any], str], sites: SiteTable) -> Waiting:
    site = sites.sites[site_number(sites, task)]
    owner, needs = _owner_of_lock(task, alive), _NEEDS.get(site.awaited, "")
    nursery = next((each for each in reversed(task.child_nurseries) if private.is_parent_waiting(each)), None)
    if nursery is not None:
        children = sorted(nursery.child_tasks, key=private.counter)
        owner = children[0] if children else None
        needs = f"the end of {counted(len(children), 'task')}"
    return Waiting(
        task=path_of(task),
        where=f"{site.function}>{site.awaited}",
        place=site.place,
        needs=needs,
        owner=path_of(owner) if owner is not None else "",
    )


def _owner_of_lock(task: Any, alive: list[Any]) -> Any:
    """The task that holds the lock this task waits for, if the lock knows it: trio's does, and anyio's of any age."""
    for frame in frames_of(task.coro):
        if frame.f_code.co_name.startswith("acquire"):
            lock = frame.f_locals.get("self")
            owner = getattr(lock, "_owner", None) or getattr(lock, "_owner_task", None)
            for other in alive:
                if other is owner or id(other) == getattr(owner, "id", None):
                    return other
    return None
