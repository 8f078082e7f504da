"""aqueue: an async job queue that is embedded, durable, and runs on asyncio and trio.

Delivery is at least once. An effect is performed once per key if the handler wraps it in `Context.once` and its
receiver honours an idempotency key; without that, `Effect.ambiguous` says that an earlier attempt got as far as the
call, and the handler must decide.
Retries are bounded; what they cannot mend is kept as dead, and can be sent round again.

    q = Queue("sqlite:///jobs.db")

    @q.task(retry=Retry(5), timeout=30)
    async def charge(ctx: Context, order_id: int) -> str:
        async with ctx.once(f"charge:{order_id}") as effect:
            if effect.fresh or effect.ambiguous:
                effect.result = await psp.charge(order_id, idempotency_key=effect.key)
        return effect.result

    async with q, q.worker(concurrency=10):
        job = await charge.enqueue(42)
        print(await job.result(timeout=5))

Each name is imported when it is first asked for: the command line answers at once, also to Ctrl-C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aqueue.clock import Clock, LoopClock, SystemClock
    from aqueue.context import Context, Effect
    from aqueue.errors import (
        AmbiguousEffect,
        AQueueError,
        BadArguments,
        BadCommand,
        BadHandler,
        BadOption,
        BadTarget,
        BadUrl,
        EffectBusy,
        JobCancelled,
        JobDead,
        LeaseLost,
        MissingExtra,
        NoStore,
        QueueClosed,
        QueueFull,
        ResultInsideHandler,
        ResultTimeout,
        SchemaMismatch,
        StillBusy,
        StoreUnavailable,
        UndecodablePayload,
        UnknownJob,
        UnknownTask,
        WorkerStopped,
        WriteRefused,
    )
    from aqueue.flow import Breaker, Rate, RetryBudget
    from aqueue.hub import Call, Middleware
    from aqueue.job import Job, JobInfo
    from aqueue.observing import LogObserver, Notice, Observer
    from aqueue.ownership import (
        RETRY_OWNER_HEADER,
        may_retry,
        no_retry_below,
        retried,
        retry_headers,
        retry_owner,
    )
    from aqueue.policy import Reject, Retention, Retry, Snooze
    from aqueue.queue import Queue
    from aqueue.store import MemoryStore, Session, SqliteStore, Store
    from aqueue.store.questions import FlowReport
    from aqueue.store.rows import BreakerRow, Event, FireRow, LimitRow, ScheduleRow, Violation
    from aqueue.task import Draft, Task
    from aqueue.testing import Crashed, PendingJob, Rehearsal
    from aqueue.transaction import Transaction
    from aqueue.worker import Worker

__all__ = [
    "RETRY_OWNER_HEADER",
    "AQueueError",
    "AmbiguousEffect",
    "BadArguments",
    "BadCommand",
    "BadHandler",
    "BadOption",
    "BadTarget",
    "BadUrl",
    "Breaker",
    "BreakerRow",
    "Call",
    "Clock",
    "Context",
    "Crashed",
    "Draft",
    "Effect",
    "EffectBusy",
    "Event",
    "FireRow",
    "FlowReport",
    "Job",
    "JobCancelled",
    "JobDead",
    "JobInfo",
    "LeaseLost",
    "LimitRow",
    "LogObserver",
    "LoopClock",
    "MemoryStore",
    "Middleware",
    "MissingExtra",
    "NoStore",
    "Notice",
    "Observer",
    "PendingJob",
    "Queue",
    "QueueClosed",
    "QueueFull",
    "Rate",
    "Rehearsal",
    "Reject",
    "ResultInsideHandler",
    "ResultTimeout",
    "Retention",
    "Retry",
    "RetryBudget",
    "ScheduleRow",
    "SchemaMismatch",
    "Session",
    "Snooze",
    "SqliteStore",
    "StillBusy",
    "Store",
    "StoreUnavailable",
    "SystemClock",
    "Task",
    "Transaction",
    "UndecodablePayload",
    "UnknownJob",
    "UnknownTask",
    "Violation",
    "Worker",
    "WorkerStopped",
    "WriteRefused",
    "may_retry",
    "no_retry_below",
    "retried",
    "retry_headers",
    "retry_owner",
]

# Which module has which names. A test compares it with the imports above, which type checkers read.
_HOMES = {
    "aqueue.clock": ("Clock", "LoopClock", "SystemClock"),
    "aqueue.context": ("Context", "Effect"),
    "aqueue.errors": (
        "AmbiguousEffect",
        "AQueueError",
        "BadArguments",
        "BadCommand",
        "BadHandler",
        "BadOption",
        "BadTarget",
        "BadUrl",
        "EffectBusy",
        "JobCancelled",
        "JobDead",
        "LeaseLost",
        "MissingExtra",
        "NoStore",
        "QueueClosed",
        "QueueFull",
        "ResultInsideHandler",
        "ResultTimeout",
        "SchemaMismatch",
        "StillBusy",
        "StoreUnavailable",
        "UndecodablePayload",
        "UnknownJob",
        "UnknownTask",
        "WorkerStopped",
        "WriteRefused",
    ),
    "aqueue.flow": ("Breaker", "Rate", "RetryBudget"),
    "aqueue.hub": ("Call", "Middleware"),
    "aqueue.job": ("Job", "JobInfo"),
    "aqueue.observing": ("LogObserver", "Notice", "Observer"),
    "aqueue.ownership": (
        "RETRY_OWNER_HEADER",
        "may_retry",
        "no_retry_below",
        "retried",
        "retry_headers",
        "retry_owner",
    ),
    "aqueue.policy": ("Reject", "Retention", "Retry", "Snooze"),
    "aqueue.queue": ("Queue",),
    "aqueue.store": ("MemoryStore", "Session", "SqliteStore", "Store"),
    "aqueue.store.questions": ("FlowReport",),
    "aqueue.store.rows": ("BreakerRow", "Event", "FireRow", "LimitRow", "ScheduleRow", "Violation"),
    "aqueue.task": ("Draft", "Task"),
    "aqueue.testing": ("Crashed", "PendingJob", "Rehearsal"),
    "aqueue.transaction": ("Transaction",),
    "aqueue.worker": ("Worker",),
}


def __getattr__(name: str) -> object:
    import importlib

    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
