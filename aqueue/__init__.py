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
    BadHandler,
    BadOption,
    BadUrl,
    EffectBusy,
    JobCancelled,
    JobDead,
    LeaseLost,
    QueueClosed,
    ResultInsideHandler,
    ResultTimeout,
    SchemaMismatch,
    StillBusy,
    StoreUnavailable,
    UndecodablePayload,
    UnknownJob,
    UnknownTask,
    WorkerStopped,
)
from aqueue.job import Job, JobInfo
from aqueue.policy import Reject, Retry, Snooze
from aqueue.queue import Queue
from aqueue.store import MemoryStore, Session, SqliteStore, Store
from aqueue.store.rows import Event, Violation
from aqueue.task import Draft, Task
from aqueue.worker import Worker

__all__ = [
    "AQueueError",
    "AmbiguousEffect",
    "BadArguments",
    "BadHandler",
    "BadOption",
    "BadUrl",
    "Clock",
    "Context",
    "Draft",
    "Effect",
    "EffectBusy",
    "Event",
    "Job",
    "JobCancelled",
    "JobDead",
    "JobInfo",
    "LeaseLost",
    "LoopClock",
    "MemoryStore",
    "Queue",
    "QueueClosed",
    "Reject",
    "ResultInsideHandler",
    "ResultTimeout",
    "Retry",
    "SchemaMismatch",
    "Session",
    "Snooze",
    "SqliteStore",
    "StillBusy",
    "Store",
    "StoreUnavailable",
    "SystemClock",
    "Task",
    "UndecodablePayload",
    "UnknownJob",
    "UnknownTask",
    "Violation",
    "Worker",
    "WorkerStopped",
]
