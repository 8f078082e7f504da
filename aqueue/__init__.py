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
"""

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
from aqueue.testing import Crashed, Rehearsal
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
    "NoStore",
    "Notice",
    "Observer",
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
