"""What the parts of one queue share: the open session, the registry of tasks, randomness, and who is to be woken.

Wake-ups are hints inside this process: whoever waits for one also looks at the store once per poll period, because
another process sends none.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio

from aqueue.clock import Clock
from aqueue.errors import QueueClosed
from aqueue.store.base import Session, insist
from aqueue.store.operations import Operation

if TYPE_CHECKING:
    from aqueue.task import Task

__all__ = ["Hub", "Wakeable", "handler_hub"]

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

    def __init__(self, *, clock: Clock, random: Random, poll_seconds: float) -> None:
        """Create a closed hub."""
        self.clock = clock
        self.random = random
        self.poll_seconds = poll_seconds
        self.tasks: dict[str, Task[..., Any]] = {}
        self.workers: list[Wakeable] = []
        self.opened: Session | None = None
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

    def new_token(self) -> str:
        """A name nobody else has: 128 random bits."""
        return f"{self.random.getrandbits(128):032x}"

    async def perform(self, operation: Operation[R]) -> R:
        """Perform an operation, repeated a few times if the store does not answer."""
        return await insist(self.session, operation, random=self.random)

    def wake_workers(self) -> None:
        """There may be work."""
        for worker in self.workers:
            worker.wake()

    def renew_soon(self) -> None:
        """Have every worker ask how its jobs stand."""
        for worker in self.workers:
            worker.renew_soon()

    def settled(self, job_id: int) -> None:
        """A job ended, or goes on to its next try: wake whoever waits for it, and workers (its key may be free)."""
        for event in self._waiters.get(job_id, ()):
            event.set()
        if self._settlement is not None:
            self._settlement.set()
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
