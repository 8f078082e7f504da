"""Group commit: an open database that many callers share, one transaction at a time.

Rule 1: every blocking call goes through one seam, _in_thread: anyio's worker threads, one call at a time. No thread of
        our own, and no call sleeps in its thread: what must wait is asked again from the event loop, after a pause.
Rule 2: callers put their operation in a list; one task runs all that wait in one transaction, each so that it can be
        undone alone, then wakes each caller. So 10 producers share one fsync, and a lone one waits for nobody.
Rule 3: an operation that is in the list is carried out, also when its caller is cancelled. If the task itself is
        killed, every caller hears StoreUnavailable: nobody waits for a reply that cannot come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final, Protocol, TypeAlias, TypeVar, cast

import anyio
from anyio.to_thread import run_sync

from aqueue.clock import Clock
from aqueue.errors import QueueClosed, StoreUnavailable
from aqueue.log import Trouble
from aqueue.store.operations import Operation

__all__ = ["Again", "Database", "GroupSession", "Reply", "grouped", "unanswered"]

R = TypeVar("R")
GROUP_MAX: Final = 256


class Again(Exception):
    """Nothing has happened, and the same may succeed in a moment."""


Reply: TypeAlias = "tuple[object, Exception | None]"
"""What an operation returned, or what it raised. Again: it is to be run once more."""


class Database(Protocol):
    """Blocking calls, made one at a time, each in some thread. tries, pause_seconds: what becomes of Again."""

    tries: int
    pause_seconds: float

    def connect(self) -> None:
        """Connect, and see to the schema. Raises Again, StoreUnavailable, SchemaMismatch."""
        ...

    def commit(self, operations: Sequence[Operation[object]], now: int, *, is_retry: bool) -> list[Reply]:
        """Run the operations in one transaction and return a reply for each; one that raises is undone alone.

        is_retry: some or all of them were answered with Again before.
        Raises Again for all of them; any other error if it is not known whether they happened.
        """
        ...

    def close(self) -> None:
        """Disconnect."""
        ...


@asynccontextmanager
async def grouped(database: Database, *, clock: Clock, random: Random) -> AsyncGenerator[GroupSession]:
    """Open for the life of the context. What was put in the list before the end is still carried out."""
    session = GroupSession(database, clock, random)
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        # start_soon, not start: a host cancelled inside start() would wait for a task that outlives cancellation.
        tasks.start_soon(session.flush_until_closed, name="store.flush")
        try:
            await session.until_open()
            yield session
        except Exception as error:  # raised again below, so that the task group does not wrap it in a group
            failure = error
        finally:
            session.close()
    if failure is not None:
        raise failure


@dataclass(eq=False, slots=True)
class _Call:
    """Operations in the list that came together. done: None if nobody waits for the answers.

    answers: one for each operation, None where there is none yet; `unanswered` counts those.
    """

    operations: Sequence[Operation[Any]]
    answers: list[Reply | None]
    unanswered: int
    done: anyio.Event | None

    def answer(self, place: int, reply: Reply) -> None:
        """Answer one operation, unless it is answered, and wake whoever waits if it was the last one."""
        if self.answers[place] is not None:
            return
        self.answers[place] = reply
        self.unanswered -= 1
        if not self.unanswered and self.done is not None:
            self.done.set()

    def give_up(self, error: Exception) -> None:
        """Answer what is not answered yet."""
        for place in range(len(self.operations)):
            self.answer(place, (None, error))


_Waiting: TypeAlias = "tuple[_Call, int]"
"""One operation of a call, by its place."""


class GroupSession:
    """An open database."""

    def __init__(self, database: Database, clock: Clock, random: Random) -> None:
        """Describe the session; flush_until_closed makes it live."""
        self._database = database
        self._clock = clock
        self._random = random
        self._limiter = anyio.CapacityLimiter(1)
        self._list: deque[_Call] = deque()
        self._more = anyio.Event()
        self._is_closing = False
        self._has_tried = anyio.Event()
        self._failure: Exception | None = None
        self._trouble = Trouble(over="store.answers_again")

    async def until_open(self) -> None:
        """Wait until it is open. Raises what opening it raised. Cancelled here: it may be; close() is due."""
        await self._has_tried.wait()
        if self._failure is not None:
            raise self._failure
        if self._is_closing:
            raise unanswered("the store was stopped while it was being opened")

    def close(self) -> None:
        """Refuse new operations; those in the list are still carried out."""
        self._is_closing = True
        self._more.set()

    async def perform(self, operation: Operation[R]) -> R:
        """Run one operation in the next transaction (the contract is that of store.base.Session)."""
        ((reply, error),) = await self.perform_all((operation,))
        if error is not None:
            raise error
        return cast("R", reply)

    async def perform_all(self, operations: Sequence[Operation[Any]]) -> list[Reply]:
        """Run several in the next transaction (the contract is that of store.base.Session)."""
        if not operations:
            return []
        call = self._put(operations, anyio.Event())
        assert call.done is not None
        await call.done.wait()  # cancelled here: the operations are in the list and are carried out
        return [answer for answer in call.answers if answer is not None]

    def post(self, operation: Operation[object]) -> None:
        """Have the operation carried out after all earlier ones; dropped if the store is closed."""
        with suppress(QueueClosed):
            self._put((operation,), None)

    def _put(self, operations: Sequence[Operation[Any]], done: anyio.Event | None) -> _Call:
        if self._is_closing:
            raise QueueClosed(
                "the store was used after its queue closed",
                expected="an open queue",
                advice="keep the work inside `async with queue:`",
            )
        call = _Call(operations, [None] * len(operations), len(operations), done)
        self._list.append(call)
        self._more.set()
        return call

    async def flush_until_closed(self) -> None:
        """Connect, carry out what is in the list until close() is called, disconnect."""
        # Shielded: when the host is cancelled, workers still settle and release, and close() ends this task.
        with anyio.CancelScope(shield=True):
            try:
                if await self._connect():
                    try:
                        await self._flush_list()
                    finally:
                        await self._in_thread(self._database.close)
            finally:
                self._has_tried.set()
                self._abandon()

    async def _connect(self) -> bool:
        try:
            for _ in range(self._database.tries):
                try:
                    await self._in_thread(self._database.connect)
                except Again as error:
                    self._failure = unanswered(str(error))
                    await self._pause()
                else:
                    self._failure = None
                    return True
        except Exception as error:  # raised by until_open, in the task that opened the store
            self._failure = error
        finally:
            self._has_tried.set()
        return False

    async def _flush_list(self) -> None:
        while self._list or not self._is_closing:
            if not self._list:
                self._more = anyio.Event()
                await self._more.wait()
                continue
            batch = self._take_batch()
            try:
                await self._flush([(call, place) for call in batch for place in range(len(call.operations))])
            finally:
                # Also when this task is killed in between: whether the batch was committed is not known then.
                for call in batch:
                    if call.unanswered:
                        call.give_up(unanswered("the store was stopped"))

    def _take_batch(self) -> list[_Call]:
        """The calls whose turn it is; at least one, and none is divided."""
        batch, count = [self._list.popleft()], 0
        while self._list and (count := count + len(batch[-1].operations)) < GROUP_MAX:
            batch.append(self._list.popleft())
        return batch

    async def _flush(self, waiting: list[_Waiting]) -> None:
        """Answer everybody, asking again for those whose answer is Again."""
        why = ""
        for tried in range(self._database.tries):
            try:
                again = await self._commit(waiting, is_retry=tried > 0)
            except Again as error:
                again = [(each, error) for each in waiting]
            except Exception as error:  # of any kind: this task serves everybody, so it outlives every answer
                failure = error if isinstance(error, StoreUnavailable) else unanswered(repr(error))
                self._trouble.tell("store.commit_failed", failure.happened)
                for call, place in waiting:
                    call.answer(place, (None, failure))
                return
            if not again:
                self._trouble.end()
                return
            waiting, why = [each for each, _ in again], str(again[0][1])
            await self._pause()
        self._trouble.tell("store.gave_up", why)
        for call, place in waiting:
            call.answer(place, (None, unanswered(why)))

    async def _commit(self, waiting: list[_Waiting], *, is_retry: bool) -> list[tuple[_Waiting, Again]]:
        operations = [call.operations[place] for call, place in waiting]
        commit = partial(self._database.commit, operations, self._clock.now_ms(), is_retry=is_retry)
        again: list[tuple[_Waiting, Again]] = []
        for each, reply in zip(waiting, await self._in_thread(commit), strict=True):
            if isinstance(reply[1], Again):
                again.append((each, reply[1]))
            else:
                each[0].answer(each[1], reply)
        return again

    async def _pause(self) -> None:
        await anyio.sleep(self._database.pause_seconds * self._random.random())

    async def _in_thread(self, call: Callable[[], R]) -> R:
        return await run_sync(call, limiter=self._limiter)

    def _abandon(self) -> None:
        self._is_closing = True
        while self._list:
            self._list.popleft().give_up(unanswered("the store was stopped"))


def unanswered(happened: str, *, advice: str | None = None) -> StoreUnavailable:
    """What callers hear when it is not known what became of their operation. advice: where the trouble has a name."""
    return StoreUnavailable(
        happened,
        expected="the store to answer",
        advice=advice
        or "repeat the operation, it is safe; if it goes on, look at the store: its disk, its server, who locks it",
    )
