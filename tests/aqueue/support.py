"""Clocks, a virtual-time asyncio loop, queues in memory, and a store that fails on demand."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, TypeVar

import anyio

from aqueue import AQueueError, Clock, JobInfo, LoopClock, MemoryStore, Queue, Session, Store, StoreUnavailable
from aqueue.store.base import Answer
from aqueue.store.operations import Operation

R = TypeVar("R")


class ManualClock:
    """A wall clock that moves when told to."""

    def __init__(self, now: int = 1_000_000) -> None:
        self.now = now

    def now_ms(self) -> int:
        return self.now


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for the next timer, it moves the loop's time there."""

    loop: JumpingLoop | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0 or self.loop is None:
            return super().select(timeout)
        self.loop.virtual_seconds += timeout
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """asyncio in virtual time. Not for programs that use threads: time would run ahead of them."""

    virtual_seconds = 0.0

    def __init__(self) -> None:
        selector = _JumpingSelector()
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return self.virtual_seconds


Fault = Callable[[Operation[Any]], str | None]


class FaultyStore:
    """A store whose session asks `fault` before each operation.

    "lose": it does not happen, the caller hears StoreUnavailable.   "lose reply": it happens, and the caller hears
    StoreUnavailable.   "hang": it does not happen and is never answered.   None: nothing special.
    """

    def __init__(self, inner: Store, fault: Fault) -> None:
        self.inner = inner
        self.fault = fault
        self.seen: list[str] = []

    @asynccontextmanager
    async def open(self, *, clock: Clock, random: Random) -> AsyncIterator[Session]:
        async with self.inner.open(clock=clock, random=random) as session:
            yield FaultySession(session, self)


class FaultySession:
    """The session of a FaultyStore."""

    def __init__(self, inner: Session, store: FaultyStore) -> None:
        self.inner = inner
        self.store = store

    async def perform(self, operation: Operation[R]) -> R:
        self.store.seen.append(type(operation).__name__)
        fault = self.store.fault(operation)
        if fault == "hang":
            await anyio.sleep_forever()
        if fault == "lose":
            raise lost()
        reply = await self.inner.perform(operation)
        if fault == "lose reply":
            raise lost()
        return reply

    async def perform_all(self, operations: Sequence[Operation[Any]]) -> list[Answer]:
        return [await self._answer(operation) for operation in operations]

    async def _answer(self, operation: Operation[Any]) -> Answer:
        try:
            return await self.perform(operation), None
        except AQueueError as error:
            return None, error

    def post(self, operation: Operation[object]) -> None:
        self.inner.post(operation)


def lost() -> StoreUnavailable:
    return StoreUnavailable("the test lost it", expected="a reply", advice="try again")


def fail_first(times: int, fault: str, *kinds: type[object]) -> Fault:
    """A fault for the first `times` operations of these kinds."""
    left = [times]

    def decide(operation: Operation[Any]) -> str | None:
        if not isinstance(operation, kinds) or not left[0]:
            return None
        left[0] -= 1
        return fault

    return decide


def open_queue(store: Store | None = None, seed: int = 0) -> Queue:
    """A queue on the loop's clock, in memory unless told otherwise."""
    return Queue(store or MemoryStore(), clock=LoopClock(), random=Random(seed))


def kinds(info: JobInfo) -> list[str]:
    """What befell a job, in order."""
    return [event.kind for event in info.history]
