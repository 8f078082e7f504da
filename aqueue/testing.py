"""Tests of a queue without a server and without waiting: jobs run when told to, time passes when told to.

    async with q.testing() as t:
        await nightly.enqueue()
        await t.drain()                      # every job that is due, to its end
        await t.advance(3600)                # an hour of the queue's clock passes, schedules and retries included
        t.crash_at("settle.txn")             # the next worker to get there vanishes, as in a power failure
        await t.drain()
        assert [job.args for job in await t.pending(send)] == [("a@example.org",)]   # what waits to be run

What is moved is the stored clock: due times, leases, retries, schedules, deadlines. The event loop's own time, which
timeouts and sleeps of handlers use, is the test's business: give it a virtual one, or let it pass.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import anyio

from aqueue.codec import decode_call
from aqueue.context import Context
from aqueue.errors import AQueueError, QueueClosed, StillBusy
from aqueue.hub import Call, Hub
from aqueue.points import Point, point_named
from aqueue.policy import stored_seconds, whole
from aqueue.store.base import Answer, Session, Store
from aqueue.store.operations import Claim, ClaimReply, Operation, Sweep
from aqueue.store.rows import JobRow
from aqueue.store.schedules import Fire
from aqueue.store.tables import Tables

if TYPE_CHECKING:
    from aqueue.queue import Queue
    from aqueue.task import Task

__all__ = ["Crashed", "PendingJob", "Rehearsal", "rehearse"]

R = TypeVar("R")
PAGE: Final = 500


class Crashed(BaseException):
    """The process would have vanished here. Raised by crash_at; drain() hears it of its worker, a test of itself."""


class _SetClock:
    """A wall clock that stands still until it is set."""

    def __init__(self, now: int) -> None:
        self.now = now

    def now_ms(self) -> int:
        return self.now


@dataclass(frozen=True, slots=True)
class PendingJob:
    """A job that waits, as its handler will be called.

    delay: seconds until it is due, by the queue's clock; 0 if it is due.
    """

    id: int
    task: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    headers: Mapping[str, str]
    key: str | None
    unique: str | None
    delay: float


@dataclass(eq=False, slots=True)
class _Armed:
    """A crash to come: at the nth time the point is reached from now."""

    name: str
    point: Point
    left: int


class _RehearsedSession:
    """The session of a queue under test: it can vanish from under a worker, and notices when there is nothing to do."""

    def __init__(self, inner: Session, rehearsal: Rehearsal) -> None:
        self._inner = inner
        self._rehearsal = rehearsal

    async def perform(self, operation: Operation[R]) -> R:
        self._rehearsal.pass_by(operation, "before")
        reply = await self._inner.perform(operation)
        self._rehearsal.pass_by(operation, "after")
        if isinstance(operation, Claim) and operation.is_idle and isinstance(reply, ClaimReply) and not reply.jobs:
            self._rehearsal.found_nothing(reply.wait_ms)
        return reply

    async def perform_all(self, operations: Sequence[Operation[Any]]) -> list[Answer]:
        return [await self._answer(operation) for operation in operations]  # one by one: a crash may come between two

    async def _answer(self, operation: Operation[Any]) -> Answer:
        try:
            return await self.perform(operation), None
        except AQueueError as error:
            return None, error

    def post(self, operation: Operation[object]) -> None:
        if not self._rehearsal.is_down:
            self._inner.post(operation)


class Rehearsal:
    """A queue in the hands of a test. crashes: the points where workers have vanished so far, in order."""

    def __init__(self, queue: Queue, hub: Hub) -> None:
        """Take the clock and the session over. Made by Queue.testing."""
        self.crashes: list[str] = []
        self.is_down = False
        self._queue = queue
        self._hub = hub
        self._clock = _SetClock(hub.clock.now_ms())
        self._armed: list[_Armed] = []
        self._idle = anyio.Event()
        self._is_working = False
        self._wait_ms: int | None = None

    def crash_at(self, point: str, *, nth: int = 1) -> None:
        """Have whoever reaches the point for the nth time from now vanish there. Names: points.py. Raises BadOption.

        Nothing it writes afterwards is stored. Its `finally` blocks do run, which in a real crash they would not.
        """
        whole("nth", nth, 1)
        self._armed.append(_Armed(point, point_named(point), nth))

    async def pending(self, task: Task[..., Any] | None = None) -> tuple[PendingJob, ...]:
        """The jobs that wait, of one task or of all, oldest first: what the code under test asked for.

        Arguments are of the types that the handler declares, without its Context. Raises UndecodablePayload.
        """
        found: list[PendingJob] = []
        last, rows = 0, [*await self._hub.perform(_PendingPage(0))]
        while rows:
            found += [self._pending_job(row) for row in rows if task is None or row.task == task.name]
            last = rows[-1].id
            rows = [*await self._hub.perform(_PendingPage(last))]
        return tuple(found)

    def _pending_job(self, row: JobRow) -> PendingJob:
        args, kwargs = decode_call(row.payload, row.payload_crc)
        task = self._hub.tasks.get(row.task)
        if task is not None:
            args, kwargs = replace(task.signature, context_name=None).decode(args, kwargs, None)
        return PendingJob(
            id=row.id, task=row.task, args=args, kwargs=kwargs, headers=json.loads(row.headers),
            key=row.order_key, unique=row.unique_key, delay=max(0, row.life.run_at - self._clock.now) / 1000,
        )  # fmt: skip

    async def drain(self, *, concurrency: int = 1, limit: float = 60.0) -> None:
        """Fire the schedules that are due, free expired leases, and run jobs until none is due (or a limit holds it).

        It ends early when the worker vanishes; drain again, and another one takes over.
        limit: seconds of the event loop's time. Raises StillBusy.
        """
        await self._fire_and_sweep()
        self.is_down, self._is_working, self._idle = False, True, anyio.Event()
        scope = anyio.CancelScope(deadline=anyio.current_time() + limit)
        try:
            with scope:
                async with self._queue.worker(concurrency=concurrency):
                    await self._idle.wait()
        except* Crashed:
            pass
        finally:
            self.is_down = self._is_working = False
        if scope.cancelled_caught:
            raise StillBusy(
                f"the queue was not drained within {limit} s",
                expected="handlers that end",
                advice="raise the limit, or look at what they wait for with job.info()",
            )

    async def advance(self, seconds: float) -> None:
        """Let the queue's clock go on, and drain at every moment on the way at which something comes due."""
        stored_seconds("seconds", seconds)
        target = self._clock.now + round(seconds * 1000)
        await self.drain()
        while (moment := await self._next_moment()) is not None and moment <= target:
            self._clock.now = moment
            await self.drain()
        self._clock.now = target
        await self.drain()

    # What the session and the middleware report.

    def pass_by(self, operation: object, side: Literal["before", "after"]) -> None:
        """An operation passes; raises Crashed where a crash is due, and for ever after in the same worker."""
        if self.is_down:
            raise Crashed("its worker has vanished")
        self._crash_if([armed for armed in self._armed if armed.point.side == side and armed.point.lies_at(operation)])

    async def enter(self, ctx: Context, call: Call) -> Any:  # noqa: ARG002 - a middleware
        """The middleware that stands for the point before a handler's first step."""
        self._crash_if([armed for armed in self._armed if not armed.point.operations])
        return await call()

    def found_nothing(self, wait_ms: int | None) -> None:
        """A worker with empty hands found nothing to do for so long."""
        self._wait_ms = wait_ms
        self._idle.set()

    def _crash_if(self, reached: list[_Armed]) -> None:
        for armed in reached:
            armed.left -= 1
            if not armed.left:
                self._armed.remove(armed)
                self.crashes.append(armed.name)
                self.is_down = self._is_working
                raise Crashed(armed.name)

    async def _fire_and_sweep(self) -> None:
        for declaration in self._hub.schedules.values():
            await self._hub.perform(declaration)
        while (await self._hub.perform(Fire(tuple(self._hub.schedules)))).wait_ms == 0:
            pass
        await self._hub.perform(Sweep())

    async def _next_moment(self) -> int | None:
        """When the next job, schedule or lease is due, or the next limit lets something through."""
        moments = [] if self._wait_ms is None else [self._clock.now + self._wait_ms]
        due = await self._hub.perform(_NextMoment())
        return min([*moments, *([] if due is None else [due])], default=None)

    def _wrap(self, session: Session) -> Session:
        return _RehearsedSession(session, self)

    @asynccontextmanager
    async def held(self, store: Store | None) -> AsyncGenerator[None]:
        """The hub's clock, session and perhaps its store are this rehearsal's, for the life of the context."""
        hub, clock, own = self._hub, self._hub.clock, self._hub.store
        hub.clock, hub.wrap_session, hub.store = self._clock, self._wrap, own if store is None else store
        hub.middleware.insert(0, self.enter)
        try:
            yield
        finally:
            hub.clock, hub.wrap_session, hub.store = clock, None, own
            hub.middleware.remove(self.enter)


@dataclass(frozen=True, slots=True)
class _NextMoment:
    """The first time after now at which time alone changes something."""

    def apply(self, tables: Tables, now: int) -> int | None:
        moments = [schedule.next_at for schedule in tables.schedules().values()]
        leases = tables.expired(2**62, 1)
        moments += [row.life.lease_until + 1 for row in leases if row.life.lease_until is not None]
        run_at = tables.next_run_at(now)
        moments += [] if run_at is None else [run_at]
        return min((moment for moment in moments if moment > now), default=None)


@dataclass(frozen=True, slots=True)
class _PendingPage:
    """Read pending jobs with a higher id than `after`, lowest first."""

    after: int

    def apply(self, tables: Tables, now: int) -> tuple[JobRow, ...]:  # noqa: ARG002 - the seam's signature
        return tuple(tables.jobs_after(self.after, frozenset({"pending"}), PAGE))


@asynccontextmanager
async def rehearse(queue: Queue, hub: Hub, store: Store | None) -> AsyncGenerator[Rehearsal]:
    """Open a queue for a test."""
    if hub.opened is not None:
        raise QueueClosed(
            "testing() was asked of a queue that is open",
            expected="a queue that nobody has opened: testing() opens and closes it",
            advice="leave out `async with queue:` around it",
        )
    rehearsal = Rehearsal(queue, hub)
    async with rehearsal.held(store), queue:
        yield rehearsal
