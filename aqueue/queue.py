"""The queue: registers tasks, opens the store, starts workers, and answers questions about what is stored."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from random import Random
from types import TracebackType
from typing import Any, Concatenate, Final, Literal, ParamSpec, TypeVar, cast, overload

import anyio

from aqueue.clock import Clock, SystemClock
from aqueue.context import Context
from aqueue.decorators import CronDecorator, TaskDecorator
from aqueue.errors import BadArguments, BadOption, QueueClosed, StillBusy, WorkerStopped
from aqueue.flow import Breaker, Rate, RetryBudget
from aqueue.hub import Hub, Middleware
from aqueue.job import Job, JobInfo, describe
from aqueue.lifecycle import TERMINAL, State
from aqueue.observing import Observer
from aqueue.policy import Retention, Retry, WorkerPolicy, at_least, stored_seconds, whole
from aqueue.service import serve
from aqueue.store.base import GivesHints, Store
from aqueue.store.limits import QUEUE, Pause
from aqueue.store.questions import Census, Dead, Depth, Flow, FlowReport, Verify
from aqueue.store.rows import Catchup, FireRow, ScheduleRow, Violation
from aqueue.store.schedules import Missed, Schedules, Unschedule
from aqueue.store.urls import store_at
from aqueue.task import Draft, Task, TaskPolicy, enqueue_drafts
from aqueue.testing import Rehearsal, rehearse
from aqueue.worker import Worker

__all__ = ["Queue"]

DEFAULT_RETRY_BUDGET: Final = RetryBudget()

P = ParamSpec("P")
R = TypeVar("R")


class Queue:
    """A queue of jobs in one store.

    store: "sqlite:///relative.db", "sqlite:////absolute.db", "postgresql://user@host/database", "memory:", or a Store.
    durability: "power" (default) survives power failure, "process" a crash of the process.
    clock: stamps what is stored; by default this machine's, or that of the PostgreSQL server.
    random: all jitter and all names; give Random(seed) for a run that can be repeated,
    and never the same seed to two runs on one database.
    poll: seconds between two looks at the store where a hint may be missed.
    max_pending: how many jobs may be pending; enqueueing more raises QueueFull, at once, also in a handler.
    retry_budget: how many retries the queue makes; None for as many as the tasks' policies say.
    retention: how long its workers keep jobs that have ended; None for ever.

    A queue can be opened and closed many times, from one event loop at a time.
    """

    def __init__(
        self,
        store: str | Store,
        *,
        durability: Literal["power", "process"] = "power",
        clock: Clock | None = None,
        random: Random | None = None,
        poll: float = 1.0,
        max_pending: int | None = None,
        retry_budget: RetryBudget | None = DEFAULT_RETRY_BUDGET,
        retention: Retention | None = None,
    ) -> None:
        """Describe the queue; `async with` opens it. Raises BadUrl, BadOption, MissingExtra."""
        at_least("poll", poll, 0, above=True)
        if durability not in ("power", "process"):
            raise BadOption(f"durability={durability!r}", expected="'power' or 'process'", advice="choose one of them")
        if max_pending is not None:
            whole("max_pending", max_pending, 1)
        kept = store_at(store, durability) if isinstance(store, str) else store
        self._hub = Hub(kept, clock=clock or SystemClock(), random=random or Random(), poll_seconds=poll)
        self._hub.max_pending = max_pending
        self._hub.retry_budget = None if retry_budget is None else retry_budget.bucket
        self._hub.keep_ms = {} if retention is None else retention.keep_ms
        self._stack: AsyncExitStack | None = None
        self._workers: list[Worker] = []
        self._workers_started = 0

    async def __aenter__(self) -> Queue:
        """Open the store."""
        if self._stack is not None:
            raise QueueClosed("the queue is open already", expected="one `async with` at a time", advice="reuse it")
        self._stack = AsyncExitStack()
        self._hub.forget_waits()
        try:
            opening = self._hub.store.open(clock=self._hub.clock, random=self._hub.random)
            session = await self._stack.enter_async_context(opening)
            if isinstance(session, GivesHints):
                session.give_hints_to(self._hub.hear)
            self._hub.opened = session if self._hub.wrap_session is None else self._hub.wrap_session(session)
        except BaseException:
            self._stack = None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Carry out what waits to be written, and close the store."""
        assert self._stack is not None
        stack, self._stack = self._stack, None
        try:
            return await stack.__aexit__(kind, error, traceback)
        finally:
            self._hub.opened = None

    @property
    def task_names(self) -> tuple[str, ...]:
        """The tasks that are registered, in that order."""
        return tuple(self._hub.tasks)

    @property
    def store(self) -> Store:
        """Where the jobs are kept."""
        return self._hub.store

    @overload
    def task(self, handler: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def task(self, handler: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def task(
        self,
        *,
        name: str | None = None,
        retry: Retry | None = None,
        timeout: float | None = None,
        lease: float | None = None,
        priority: int = 0,
        concurrency: int | None = None,
        rate: Rate | str | None = None,
        breaker: Breaker | None = None,
        max_pending: int | None = None,
    ) -> TaskDecorator: ...
    def task(
        self,
        handler: Callable[..., Coroutine[Any, Any, Any]] | None = None,
        *,
        name: str | None = None,
        retry: Retry | None = None,
        timeout: float | None = None,
        lease: float | None = None,
        priority: int = 0,
        concurrency: int | None = None,
        rate: Rate | str | None = None,
        breaker: Breaker | None = None,
        max_pending: int | None = None,
    ) -> TaskDecorator | Task[..., Any]:
        """Make an async function a task of this queue: `@q.task`, or with options `@q.task(timeout=30)`.

        name: what jobs call it, the function's own name by default; it must outlive a deploy.
        timeout: seconds one try may take.   lease: seconds of silence after which a job is taken from its worker.
        concurrency, rate: how many of its jobs run at once and start per time ("50/s"), over all workers of the store.
        breaker: when to stop trying.   max_pending: of its own jobs, beside the queue's.

        A handler gets a Context if it declares a parameter of that type. Declared first, type checkers know that
        enqueue does not take it.
        """
        policy = TaskPolicy(retry or Retry(), timeout, lease, priority, concurrency, rate, breaker, max_pending)
        decorator = TaskDecorator(self._hub, name, policy)
        return decorator if handler is None else decorator(handler)

    def cron(self, cron: str, *, tz: str = "UTC", catchup: Catchup = "last", name: str | None = None) -> CronDecorator:
        """Enqueue a task at each time a cron expression names: `q.cron("0 3 * * *", tz="Europe/Berlin")(nightly)`.

        tz: the zone it is read in; a fixed hour comes once on every day, also when the clocks change.
        catchup: of times that passed while no worker ran: "last" one is made up for, "all", or "none".
        name: what the store calls the schedule, the task's name by default; it must outlive a deploy.
        Raises BadOption.
        """
        return CronDecorator(self._hub, name, cron, tz, catchup)

    def use(self, middleware: Middleware) -> None:
        """Wrap every try of every handler: `async def mw(ctx, call): return await call()`. The first is outermost.

        It is part of the try: what it raises is what the handler raised, what it returns is the result.
        """
        self._hub.middleware.append(middleware)

    def observe(self, observer: Observer) -> None:
        """Have an observer told of everything that happens in this process."""
        self._hub.observers.append(observer)

    def add_headers(self, source: Callable[[], Mapping[str, str]]) -> None:
        """Have each job that is enqueued carry what `source` returns at that moment, under its own options' headers."""
        self._hub.header_sources.append(source)

    async def enqueue_many(self, drafts: Iterable[Draft[R]], *, tx: object = None) -> tuple[Job[R], ...]:
        """Store jobs in one transaction, all or none: `await q.enqueue_many(send.job(i) for i in range(1000))`.

        tx: your own connection, as in Task.options; then they are there if you commit.
        Raises BadArguments, BadOption, QueueFull, QueueClosed, StoreUnavailable.
        Cancelled here: all or none of them may be stored.
        """
        described = tuple(drafts)
        for each in described:
            if not isinstance(cast("object", each), Draft):
                raise BadArguments(
                    f"enqueue_many() was given {each!r:.200}",
                    expected="jobs that are described and not enqueued, as task.job(...) returns them",
                    advice="write q.enqueue_many(task.job(i) for i in range(1000))",
                )
        return await enqueue_drafts(self._hub, described, tx=tx)

    def job(self, job_id: int) -> Job[Any]:
        """Return a handle on a job by its number, without looking whether it exists."""
        return Job(self._hub, job_id)

    async def pause(self) -> None:
        """Have no worker take any job from now on; those that run go on. It is stored, and lasts until resume()."""
        await self._hub.perform(Pause(QUEUE, paused=True))

    async def resume(self) -> None:
        """Have workers take jobs again."""
        await self._hub.perform(Pause(QUEUE, paused=False))
        self._hub.wake_workers()

    async def flow(self) -> FlowReport:
        """What holds jobs back: pauses, limits with the levels of their buckets, breakers with their states."""
        return await self._hub.perform(Flow())

    async def unschedule(self, name: str) -> bool:
        """Remove a schedule that the code does not declare any more, and say whether there was one."""
        return await self._hub.perform(Unschedule(name))

    async def schedules(self) -> tuple[ScheduleRow, ...]:
        """Every stored schedule, by name, with the nominal time that comes next."""
        return await self._hub.perform(Schedules())

    async def missed(self, *, limit: int = 100) -> tuple[FireRow, ...]:
        """Nominal times of schedules that made no job, newest first."""
        whole("limit", limit, 1)
        return await self._hub.perform(Missed(limit))

    async def dead(self, *, limit: int = 100) -> tuple[JobInfo, ...]:
        """The dead letter, longest dead first. Reading it changes nothing."""
        whole("limit", limit, 1)
        rows = await self._hub.perform(Dead(limit))
        return tuple(describe(row) for row in rows)

    async def counts(self) -> Mapping[State, int]:
        """How many jobs are in each state."""
        return await self._hub.perform(Census())

    async def check(self, *, grace: float | None = None) -> tuple[Violation, ...]:
        """Run every invariant over what is stored, and return what does not hold.

        grace: seconds after which a job that nobody moved counts as stuck; None checks safety only. Give at least
        lease + two sweeps + one poll. Jobs of tasks that this queue does not know wait for other workers, and are not.
        """
        free_slots = sum(worker.free_slots for worker in self._workers)
        if grace is not None:
            stored_seconds("grace", grace)
            return await self._hub.perform(Verify(round(grace * 1000), free_slots, frozenset(self._hub.tasks)))
        return await self._hub.perform(Verify(10**15, 0))

    @asynccontextmanager
    async def worker(
        self,
        *,
        concurrency: int = 10,
        lease: float = 30.0,
        sweep: float = 10.0,
        drain: float = 30.0,
        settle_timeout: float = 10.0,
        grace: float = 10.0,
        isolate_after: int | None = 1,
        bury_unknown: bool = False,
        name: str | None = None,
    ) -> AsyncGenerator[Worker]:
        """Run a worker beside the body. On leaving, it claims nothing more and drains; on an error it releases.

        policy.WorkerPolicy says what each is; all but concurrency, isolate_after and bury_unknown in seconds.
        Raises WorkerStopped, having cancelled the body, if something ended the worker but leaving.
        """
        poll = self._hub.poll_seconds
        policy = WorkerPolicy(
            concurrency, lease, poll, sweep, drain, settle_timeout, grace, isolate_after, bury_unknown
        )
        self._workers_started += 1
        worker = Worker(self._hub, name or f"worker-{self._workers_started}", policy)
        failure: Exception | None = None
        self._workers.append(worker)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_run_beside, worker, tasks.cancel_scope, name=worker.name)
                try:
                    yield worker
                except Exception as error:  # raised again below, so that the task group does not wrap it in a group
                    failure = error
                    tasks.cancel_scope.cancel()
                worker.drain()
            # Reached without a failure and without draining: the body was cancelled, and not by anybody outside.
            if failure is None and not worker.is_draining:
                failure = WorkerStopped(
                    f"{worker.name} ended before it was left",
                    expected="it to run for as long as the body",
                    advice="look at what cancelled its task; another worker finishes what it released",
                )
        finally:
            self._workers.remove(worker)
        if failure is not None:
            raise failure

    async def run(self, *, concurrency: int = 10, drain: float = 30.0, bury_unknown: bool = False) -> None:
        """Open the queue and work until SIGINT or SIGTERM: `anyio.run(q.run)`, or `anyio.run(q.run, backend="trio")`.

        The first signal lets running jobs end within `drain` seconds; a second one releases them at once.
        bury_unknown: as in worker().
        """
        await serve(self, concurrency=concurrency, drain=drain, bury_unknown=bury_unknown)

    def testing(self, *, store: str | Store | None = None) -> AbstractAsyncContextManager[Rehearsal]:
        """Open the queue for a test: `async with q.testing() as t:`; then `await t.drain()`, `await t.advance(60)`.

        store: another one for this test, which "memory:" makes anew each time. By default the queue's own, whatever it
        holds: an application's queue is then tested on its real database. Raises BadUrl, MissingExtra.
        """
        return rehearse(self, self._hub, store_at(store, "process") if isinstance(store, str) else store)

    async def run_until_idle(self, *, concurrency: int = 1, limit: float = 3600.0, lease: float = 30.0) -> None:
        """Work until no job is pending or running, through all delays and retries: for tests and scripts.

        limit: seconds, in the event loop's time; give the queue a LoopClock where that is virtual.
        Raises StillBusy at the limit, or as soon as all that is left is jobs of tasks that this queue does not know;
        WorkerStopped if something ended the worker.
        """
        at_least("limit", limit, 0, above=True)
        async with self.worker(concurrency=concurrency, lease=lease):
            with anyio.move_on_after(limit):
                await self._until_idle()
                return
            counts = await self.counts()
            raise StillBusy(
                f"after {limit} s {counts['pending']} jobs are pending and {counts['running']} are running",
                expected="no live job",
                advice="raise the limit, or look at what they wait for with job.info()",
            )

    async def _assert_some_known(self) -> None:
        """Raise StillBusy if no live job is of a task that this queue knows."""
        live = {each.task: each.count for each in await self._hub.perform(Depth()) if each.state not in TERMINAL}
        if live and not live.keys() & self._hub.tasks.keys():
            raise StillBusy(
                f"{sum(live.values())} jobs are left, all of tasks that are not registered: {', '.join(sorted(live))}",
                expected="no live job",
                advice="register the tasks, or have a worker that knows them run the jobs",
            )

    async def _until_idle(self) -> None:
        while True:
            settled = self._hub.next_settlement()  # subscribed before the look
            counts = await self.counts()
            if not counts["pending"] and not counts["running"]:
                return
            with anyio.move_on_after(self._hub.poll_seconds) as poll:
                await settled.wait()
            if poll.cancelled_caught:
                await self._assert_some_known()


async def _run_beside(worker: Worker, body: anyio.CancelScope) -> None:
    """Run the worker; if it ends while the body goes on, end the body: a queue without its worker only looks alive."""
    try:
        await worker.run()
    finally:
        if not worker.is_draining:
            body.cancel()
