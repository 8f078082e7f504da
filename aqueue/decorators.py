"""What Queue.task and Queue.cron return: applied to a function or a task, they register it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar, cast, overload

from aqueue.context import Context
from aqueue.cron import check_schedule
from aqueue.errors import BadHandler, BadOption
from aqueue.hub import Hub
from aqueue.store.rows import Catchup
from aqueue.store.schedules import DeclareSchedule
from aqueue.task import Draft, Task, TaskPolicy

__all__ = ["CronDecorator", "TaskDecorator"]

P = ParamSpec("P")
R = TypeVar("R")


class TaskDecorator:
    """What Queue.task returns: apply it to an async function."""

    def __init__(self, hub: Hub, name: str | None, policy: TaskPolicy) -> None:
        """Remember what the task is to be like."""
        self._hub = hub
        self._name = name
        self._policy = policy

    @overload
    def __call__(self, handler: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, handler: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    def __call__(self, handler: Callable[..., Coroutine[Any, Any, Any]], /) -> Task[..., Any]:
        """Register the handler. Raises BadHandler."""
        if isinstance(handler, str):
            raise BadHandler(
                f"@q.task was given {handler!r} in the place of a function",
                expected="an async function",
                advice=f"name the task by keyword: @q.task(name={handler!r})",
            )
        name = self._name or getattr(handler, "__name__", "")
        if not name or name in self._hub.tasks:
            raise BadHandler(
                f"the task name {name!r} is {'taken' if name else 'empty'}",
                expected="a name of its own for each task of a queue",
                advice='give one: @q.task(name="...")',
            )
        task: Task[..., Any] = Task(self._hub, name, handler, self._policy)
        self._hub.register(task)
        return task


class CronDecorator:
    """What Queue.cron returns: apply it to a task without arguments, or to a job: `q.cron("@...")(report.job(7))`."""

    def __init__(self, hub: Hub, name: str | None, cron: str, tz: str, catchup: Catchup) -> None:
        """Remember when. Raises BadOption."""
        if catchup not in ("last", "all", "none"):
            raise BadOption(f"catchup={catchup!r}", expected="'last', 'all' or 'none'", advice="choose one of them")
        texts: dict[str, object] = {"cron": cron, "tz": tz, "name": name or ""}
        for option, text in texts.items():
            if not isinstance(text, str):
                raise BadOption(f"{option}={text!r} is no text", expected="a text", advice="correct the schedule")
        check_schedule(cron, tz)
        self._hub = hub
        self._name = name
        self._cron = cron
        self._tz = tz
        self._catchup: Catchup = catchup

    @overload
    def __call__(self, scheduled: Task[[], R], /) -> Task[[], R]: ...
    @overload
    def __call__(self, scheduled: Draft[R], /) -> Draft[R]: ...
    def __call__(self, scheduled: Task[[], Any] | Draft[Any], /) -> Task[[], Any] | Draft[Any]:
        """Register the schedule. Raises BadOption, BadArguments if the task takes arguments."""
        if not isinstance(cast("object", scheduled), Draft | Task):
            raise BadOption(
                f"q.cron(...) was given {scheduled!r:.200}",
                expected="a task without arguments, or a job",
                advice="make the function a task first: @q.task below @q.cron, or q.cron(...)(task.job(argument))",
            )
        draft = scheduled if isinstance(scheduled, Draft) else scheduled.job()
        name = self._name or draft.task.name
        if name in self._hub.schedules:
            raise BadOption(
                f"the schedule name {name!r} is taken",
                expected="a name of its own for each schedule of a queue",
                advice='give one: q.cron("...", name="...")',
            )
        if self._hub.workers:
            raise BadOption(
                f"the schedule {name!r} was declared while a worker runs",
                expected="schedules that are declared before a worker starts",
                advice="declare it where the tasks are declared",
            )
        self._hub.schedules[name] = DeclareSchedule(name, self._cron, self._tz, self._catchup, draft.new)
        return scheduled
