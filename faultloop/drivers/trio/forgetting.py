"""Taking tasks out of trio's books without a word: what is private to trio in that, beside `private`.

Without these names no node can crash (FL702), and all else works.
"""

from __future__ import annotations

import math
from typing import Any

import trio

from faultloop.drivers.trio import private


def running_task() -> Any:
    """The task whose step runs, or None between steps."""
    return private.core.GLOBAL_RUN_CONTEXT.__dict__.get("task")


def forget_child(nursery: Any, task: Any) -> None:
    """Let a nursery not wait for a task any more."""
    nursery._children.discard(task)
    nursery._check_nursery_closed()


def no_crashes() -> str:
    """Why no task can be let go without a word on this trio, or nothing."""
    wanted = [
        (private.core.Task, "_activate_cancel_status"),
        (getattr(private.core, "CancelStatus", None), "_children"),
    ]
    lost = [name for owner, name in wanted if not private.has(owner, name)]
    return f"trio {trio.__version__} has no {', '.join(lost)}, so no node can crash [FL702]" if lost else ""


def forget_tasks(runner: Any, tasks: set[Any]) -> None:
    """Take suspended tasks out of trio's books: nothing cancels them, no deadline of theirs passes, none is counted."""
    left: dict[Any, None] = {}
    for task in tasks:
        status = task._cancel_status
        while status is not None:
            left[status] = None
            status = status.parent
        task._activate_cancel_status(None)
        runner.tasks.discard(task)
        getattr(private.core, "GLOBAL_PARKING_LOT_BREAKER", {}).pop(task, None)
        for nursery in task.child_nurseries:
            nursery._children.difference_update(tasks)
    # Innermost first: a status goes once nothing is below it, and its scope's deadline with it.
    while gone := [status for status in left if not status._tasks and not status._children]:
        for status in gone:
            del left[status]
            status._scope.deadline = math.inf
            status.parent = None
