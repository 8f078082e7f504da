"""What the parts of one queue share: the open session, the registry of tasks, randomness, and who is to be woken.

Wake-ups are hints inside this process: whoever waits for one also looks at the store once per poll period, because
another process sends none.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import anyio

from aqueue.clock import Clock
from aqueue.errors import BadOption, QueueClosed, UnknownTask
from aqueue.lifecycle import State
from aqueue.observing import LogObserver, Notice, NoticeName, Observer, is_heard, tell_all
from aqueue.store.base import Hint, JoinsTransactions, Session, Store, insist
from aqueue.store.limits import Bucket, TaskRule
from aqueue.store.operations import Operation
from aqueue.store.rows import JobRow
from aqueue.store.schedules import DeclareSchedule

if TYPE_CHECKING:
    from aqueue.context import Context
    from aqueue.task import Task

__all__ = ["Call", "Hub", "Middleware", "Wakeable", "handler_hub"]

Call: TypeAlias = Callable[[], Coroutine[Any, Any, Any]]
Middleware: TypeAlias = "Callable[[Context, Call], Coroutine[Any, Any, Any]]"

R = TypeVar("R")


class Wakeable(Protocol):
    """A worker, as far as hints go."""

    def wake(self) -> None:
        """Look for jobs now."""
        ...

    def renew_soon(self) -> None:
        """Renew now: somebody asked to cancel a running job."""
        ...


class Hub:
    """The shared state of one queue. Not thread-safe: it lives on one event loop."""

    def __init__(self, store: Store, *, clock: Clock, random: Random, poll_seconds: float) -> None:
        """Create a closed hub."""
        self.store = store
        self.clock = clock
        self.random = random
        self.poll_seconds = poll_seconds
        self.tasks: dict[str, Task[..., Any]] = {}
        # What claims say of the tasks. Replaced, never changed: a claim that has it may be on its way, in a thread.
        self.rules: Mapping[str, TaskRule] = {}
        self.leases_ms: Mapping[str, int] = {}
        self.workers: list[Wakeable] = []
        self.schedules: dict[str, DeclareSchedule] = {}
        self.retry_budget: Bucket | None = None
        self.max_pending: int | None = None
        self.keep_ms: Mapping[State, int] = {}  # after the end of a job, by its state; those not named are kept
        self.middleware: list[Middleware] = []
        self.observers: list[Observer] = [LogObserver()]
        self.header_sources: list[Callable[[], Mapping[str, str]]] = []
        self.opened: Session | None = None
        self.strangers: set[str] = set()  # tasks that were said not to be registered here
        self.wrap_session: Callable[[Session], Session] | None = None  # by a rehearsal (testing.py)
        self._waiters: dict[int, list[anyio.Event]] = {}
        self._settlement: anyio.Event | None = None

    @property
    def session(self) -> Session:
        """The open session. Raises QueueClosed."""
        if self.opened is None:
            raise QueueClosed(
                "the queue is not open", expected="an open queue", advice="do this inside `async with queue:`"
            )
        return self.opened

    def register(self, task: Task[..., Any]) -> None:
        """Have workers know a task, whose name is new."""
        self.tasks[task.name] = task
        self.rules = {**self.rules, task.name: task.rule}
        if task.policy.lease is not None:
            self.leases_ms = {**self.leases_ms, task.name: round(task.policy.lease * 1000)}

    def forget_waits(self) -> None:
        """Nobody waits: whoever did was on an event loop that may have ended, and its events are no use on another."""
        self._waiters.clear()
        self._settlement = None

    def new_token(self) -> str:
        """A name nobody else has: 128 random bits."""
        return f"{self.random.getrandbits(128):032x}"

    async def perform(self, operation: Operation[R]) -> R:
        """Perform an operation, repeated a few times if the store does not answer."""
        return await insist(self.session, operation, random=self.random)

    def perform_in(self, connection: object, operation: Operation[R]) -> R:
        """Perform an operation in the user's own transaction. Raises BadOption if that cannot be."""
        if not isinstance(self.store, JoinsTransactions):
            raise BadOption(
                f"tx={connection!r} and {type(self.store).__name__}",
                expected="a store that is a database",
                advice='use Queue("sqlite:///jobs.db"), also in tests',
            )
        return self.store.perform_within(connection, operation, self.clock)

    def is_heard(self, name: NoticeName) -> bool:
        """Whether anybody would do anything with such a notice."""
        return is_heard(self.observers, name)

    def tell(
        self,
        name: NoticeName,
        job: JobRow | None = None,
        *,
        job_id: int | None = None,
        task: str | None = None,
        worker: str | None = None,
        state: State | None = None,
        seconds: float | None = None,
        detail: str | None = None,
    ) -> None:
        """Tell every observer that something has happened."""
        if not self.is_heard(name):
            return
        notice = Notice(
            name,
            self.clock.now_ms(),
            job_id=job_id if job is None else job.id,
            task=task if job is None else job.task,
            attempt=None if job is None else job.life.attempt,
            worker=worker,
            state=state,
            seconds=seconds,
            detail=detail,
        )
        tell_all(self.observers, notice)

    def meet(self, strangers: tuple[str, ...], *, worker: str) -> None:
        """Jobs of these tasks wait for a worker that knows them: say so, once for each."""
        for name in strangers:
            if name not in self.strangers:
                self.strangers.add(name)
                advice = "nothing while a deploy is under way; its jobs stay pending for a worker whose code has it"
                self.tell("unknown_task", task=name, worker=worker, detail=str(self.unknown_task(name, advice=advice)))

    def unknown_task(self, name: str, *, advice: str) -> UnknownTask:
        """No handler of this name is registered here."""
        known = ", ".join(self.tasks) or "none"
        return UnknownTask(f"no task is called {name!r}", expected=f"one of: {known}", advice=advice)

    def wake_workers(self) -> None:
        """There may be work."""
        for worker in self.workers:
            worker.wake()

    def renew_soon(self) -> None:
        """Have every worker ask how its jobs stand."""
        for worker in self.workers:
            worker.renew_soon()

    def settled(self, *job_ids: int) -> None:
        """Jobs ended, or go on to their next try: wake whoever waits for them, and workers (their keys may be free)."""
        if self._waiters:
            for job_id in job_ids:
                for event in self._waiters.get(job_id, ()):
                    event.set()
        if self._settlement is not None:
            self._settlement.set()
        self.wake_workers()

    def hear(self, hint: Hint) -> None:
        """Another process did something."""
        if hint.cancel:
            self.renew_soon()
        for job_id in self._waiters if hint.settled is None else hint.settled:
            for event in self._waiters.get(job_id, ()):
                event.set()
        if hint.settled != () and self._settlement is not None:
            self._settlement.set()
        if hint.work or hint.settled != ():
            self.wake_workers()

    @contextmanager
    def watch(self, job_id: int) -> Generator[anyio.Event]:
        """An event that is set the next time the job is settled in this process."""
        event = anyio.Event()
        events = self._waiters.setdefault(job_id, [])
        events.append(event)
        try:
            yield event
        finally:
            events.remove(event)
            if not events:
                self._waiters.pop(job_id, None)

    def next_settlement(self) -> anyio.Event:
        """An event that is set the next time any job is settled in this process."""
        if self._settlement is None or self._settlement.is_set():
            self._settlement = anyio.Event()
        return self._settlement


# The hub whose handler this code runs in, so that waiting for a job of the same queue can be refused.
handler_hub: ContextVar[Hub | None] = ContextVar("handler_hub", default=None)
