"""Correct programs survive exploring: cancelled at any await, at any deadline, in any order that batch allows.

Each scenario is written as its primitive's documentation asks for, and asserts at its end what its primitive promises,
but for what a cancellation of the scenario's own task takes from it: then it ends in that very cancellation.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import anyio
import pytest

from faultloop import explore

Scenario = Callable[[], Coroutine[Any, Any, object]]
RUNS = 300


class Pool:
    """The pool of examples/pool.py, done right: who is cancelled with a slot in hand passes it on."""

    def __init__(self, size: int) -> None:
        self.size = self.free = size
        self._waiters: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        if self.free:
            self.free -= 1
            return
        slot = asyncio.get_running_loop().create_future()
        self._waiters.append(slot)
        try:
            await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled():
                self.release()
            raise
        finally:
            if slot in self._waiters:
                self._waiters.remove(slot)

    def release(self) -> None:
        while self._waiters:
            slot = self._waiters.popleft()
            if not slot.done():
                slot.set_result(None)
                return
        self.free += 1

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        await self.acquire()
        try:
            yield
        finally:
            self.release()


async def pool_done_right() -> None:
    pool = Pool(2)

    async def worker(pauses: int) -> None:
        for _ in range(pauses):
            async with pool.slot():
                await asyncio.sleep(0.1)

    await asyncio.gather(*(asyncio.create_task(worker(n)) for n in (1, 2, 3)), return_exceptions=True)
    assert pool.free == pool.size


async def queue_workers() -> None:
    """The queue of jobs is a queue of leases: who is cancelled with a job in hand puts it back."""
    queue, done = asyncio.Queue[int](), set[int]()

    async def worker() -> None:
        while True:
            job = await queue.get()
            try:
                await asyncio.sleep(0.1)
                done.add(job)
            except asyncio.CancelledError:
                queue.put_nowait(job)
                raise
            finally:
                queue.task_done()

    async def supervisor() -> None:
        workers = {asyncio.create_task(worker()) for _ in range(2)}
        try:
            for job in range(4):
                queue.put_nowait(job)
            while len(done) < 4:
                ended, workers = await asyncio.wait(workers, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
                workers |= {asyncio.create_task(worker()) for _ in ended}
        finally:
            for task in workers:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*workers, return_exceptions=True)

    await supervisor()
    assert done == {0, 1, 2, 3}


async def pipeline_in_a_task_group() -> None:
    """Each part closes what it writes to, however it ends, so that none waits for a part that is gone."""
    first, second, out = asyncio.Queue[int | None](), asyncio.Queue[int | None](), list[int]()

    async def produce() -> None:
        try:
            for number in range(3):
                await asyncio.sleep(0.1)
                await first.put(number)
        finally:
            first.put_nowait(None)

    async def double() -> None:
        try:
            while (number := await first.get()) is not None:
                await second.put(2 * number)
        finally:
            second.put_nowait(None)

    async def consume() -> None:
        while (number := await second.get()) is not None:
            out.append(number)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for part in (produce, double, consume):
            group.create_task(part())
    assert out == [0, 2, 4][: len(out)]


async def retries_under_a_timeout() -> None:
    attempts = 0

    async def call() -> str:
        nonlocal attempts
        attempts += 1
        await asyncio.sleep(2 if attempts < 3 else 0.5)
        return "answer"

    while attempts < 5:
        try:
            async with asyncio.timeout(1):
                assert await call() == "answer"
                return
        except TimeoutError:
            await asyncio.sleep(0.1 * attempts)


async def semaphore_limits() -> None:
    limit, inside = asyncio.Semaphore(2), 0

    async def enter() -> None:
        nonlocal inside
        async with limit:
            inside += 1
            assert inside <= 2
            try:
                await asyncio.sleep(0.1)
            finally:
                inside -= 1

    await asyncio.gather(*(asyncio.create_task(enter()) for _ in range(5)), return_exceptions=True)
    assert inside == 0
    for _ in range(2):  # all of its places are free again
        async with asyncio.timeout(1):
            await limit.acquire()


async def events_start_everybody() -> None:
    ready, started = asyncio.Event(), list[int]()

    async def runner(number: int) -> None:
        await ready.wait()
        started.append(number)

    runners = [asyncio.create_task(runner(n)) for n in range(3)]
    try:
        await asyncio.sleep(0.1)
    finally:
        ready.set()
    results = await asyncio.gather(*runners, return_exceptions=True)
    assert len(started) == sum(result is None for result in results)


async def bounded_buffer_with_a_condition() -> None:
    changed, items, got = asyncio.Condition(), list[int](), list[int]()

    async def put(number: int) -> None:
        async with changed:
            await changed.wait_for(lambda: len(items) < 1)
            items.append(number)
            changed.notify_all()

    async def get() -> None:
        async with changed:
            await changed.wait_for(lambda: bool(items))
            got.append(items.pop())
            changed.notify_all()

    tasks = [asyncio.create_task(part) for n in range(3) for part in (put(n), get())]
    _, left = await asyncio.wait(tasks, timeout=5)
    for task in left:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not changed.locked()
    assert len(got) + len(items) <= 3


async def gathers_that_fail() -> None:
    async def one(number: int) -> int:
        await asyncio.sleep(0.1 * number)
        if number == 1:
            raise ValueError("one is not allowed")
        return number

    results = await asyncio.gather(*(one(n) for n in range(3)), return_exceptions=True)
    assert all(isinstance(result, int | ValueError | asyncio.CancelledError) for result in results)
    with suppress(ValueError):
        first = asyncio.gather(*(asyncio.create_task(one(n)) for n in (1, 1)))
        await first


async def generators_closed_properly() -> None:
    opened = 0

    async def rows() -> AsyncIterator[int]:
        nonlocal opened
        opened += 1
        try:
            for number in range(10):
                await asyncio.sleep(0.1)
                yield number
        finally:
            opened -= 1

    try:
        async with aclosing(rows()) as cursor:  # type: ignore[type-var]
            async for number in cursor:
                if number == 2:
                    break
    finally:
        assert opened == 0


async def anyio_memory_streams() -> None:
    sender, receiver = anyio.create_memory_object_stream[int](1)
    got: list[int] = []

    async def produce() -> None:
        async with sender:
            for number in range(3):
                await sender.send(number)

    async def consume() -> None:
        async with receiver:
            async for number in receiver:
                got.append(number)

    with suppress(anyio.BrokenResourceError):
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(produce)
                group.start_soon(consume)
        except* anyio.BrokenResourceError:
            pass  # the consumer was cancelled, and the producer heard of it
    assert got == list(range(len(got)))


PROGRAMS: tuple[Scenario, ...] = (
    pool_done_right,
    queue_workers,
    pipeline_in_a_task_group,
    retries_under_a_timeout,
    semaphore_limits,
    events_start_everybody,
    bounded_buffer_with_a_condition,
    gathers_that_fail,
    generators_closed_properly,
    anyio_memory_streams,
)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_correct_program_survives_exploring(program: Scenario):
    found = explore(program, runs=RUNS)
    assert [(failure.fault, failure.message) for failure in found.failures] == []
    assert (found.status, found.reason) == ("passed", "")
    assert found.tried > 5


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_correct_program_survives_every_order_that_holds_back_a_turn(program: Scenario):
    found = explore(program, runs=100, order="any", faults=())
    assert [failure.message for failure in found.failures] == []
    assert found.status == "passed"
