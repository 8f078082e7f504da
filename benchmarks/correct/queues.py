"""Work that waits in queues: it is done, or somebody else can still do it."""

from __future__ import annotations

import asyncio
import heapq
import sys
from collections import deque
from contextlib import suppress
from typing import Any, cast


async def leases_are_put_back() -> None:
    """Who is cancelled with a job in hand puts it back, and another one does it."""
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
        await asyncio.gather(*workers, return_exceptions=True)
    assert done == {0, 1, 2, 3}


async def a_queue_is_joined() -> None:
    """`join` returns when each job was taken and marked as done, even if its worker was cancelled over it."""
    queue, begun = asyncio.Queue[int](maxsize=2), list[int]()

    async def worker() -> None:
        while True:
            job = await queue.get()
            try:
                begun.append(job)
                await asyncio.sleep(0.1)
            finally:
                queue.task_done()

    workers = [asyncio.create_task(worker()) for _ in range(2)]
    put = 0
    try:
        with suppress(TimeoutError):  # nobody takes anything once both workers are gone
            async with asyncio.timeout(3):
                for job in range(5):
                    await queue.put(job)
                    put += 1
                await queue.join()
                assert sorted(begun) == list(range(5))
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    assert len(begun) + queue.qsize() == put


async def a_sentinel_ends_it() -> None:
    """The producer says when it is over, however it ends; order is kept."""
    queue, got = asyncio.Queue[int | None](), list[int]()

    async def produce() -> None:
        try:
            for number in range(4):
                await asyncio.sleep(0.1)
                queue.put_nowait(number)
        finally:
            queue.put_nowait(None)

    async def consume() -> int:
        while (number := await queue.get()) is not None:
            got.append(number)
            await asyncio.sleep(0.05)
        return len(got)

    async with asyncio.TaskGroup() as group:
        producing, consuming = group.create_task(produce()), group.create_task(consume())
    assert got == list(range(len(got)))
    if not producing.cancelled() and not consuming.cancelled():
        assert consuming.result() == 4


class Closed(Exception):
    """The other side of a channel is gone."""


class Channel:
    """A bounded channel that either side can close, without an await."""

    def __init__(self, size: int) -> None:
        """Open and empty."""
        self._size = size
        self._items: deque[int] = deque()
        self._is_closed = False
        self._waiting: list[asyncio.Future[None]] = []

    async def send(self, item: int) -> None:
        """Wait for room. Raises Closed when nobody will receive."""
        while len(self._items) >= self._size and not self._is_closed:
            await self._change()
        if self._is_closed:
            raise Closed
        self._items.append(item)
        self._wake()

    async def receive(self) -> int:
        """Wait for an item. Raises Closed when there will be none."""
        while not self._items and not self._is_closed:
            await self._change()
        if not self._items:
            raise Closed
        item = self._items.popleft()
        self._wake()
        return item

    def close(self) -> None:
        """No more will be sent. What is inside can still be received."""
        self._is_closed = True
        self._wake()

    async def _change(self) -> None:
        change = asyncio.get_running_loop().create_future()
        self._waiting.append(change)
        try:
            await change
        finally:
            self._waiting.remove(change)

    def _wake(self) -> None:
        # Everybody, so that no wake-up is lost with one who was cancelled.
        for change in self._waiting:
            if not change.done():
                change.set_result(None)


async def a_bounded_pipeline() -> None:
    """Each part closes both of its ends, so that none waits for a part that is gone."""
    first, second, out = Channel(1), Channel(1), list[int]()

    async def produce() -> None:
        try:
            for number in range(3):
                await asyncio.sleep(0.1)
                await first.send(number)
        except Closed:
            pass
        finally:
            first.close()

    async def double() -> None:
        try:
            while True:
                await second.send(2 * await first.receive())
        except Closed:
            pass
        finally:
            first.close()
            second.close()

    async def consume() -> None:
        try:
            while True:
                out.append(await second.receive())
        except Closed:
            pass
        finally:
            second.close()

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        parts = [group.create_task(part()) for part in (produce, double, consume)]
    assert out == [0, 2, 4][: len(out)]
    assert len(out) == 3 or any(part.cancelled() for part in parts)


async def a_queue_is_shut_down() -> None:
    """`Queue.shutdown`: everybody who waits for the queue hears that it is over. Needs Python 3.13."""
    queue, got = cast(Any, asyncio.Queue[int](maxsize=1)), list[int]()
    over: type[Exception] = cast(Any, asyncio).QueueShutDown

    async def produce(start: int) -> None:
        with suppress(over):
            for number in range(start, start + 3):
                await queue.put(number)

    async def consume() -> None:
        with suppress(over):
            while True:
                got.append(await queue.get())
                await asyncio.sleep(0.1)

    async def end() -> None:
        try:
            await asyncio.sleep(0.25)
        finally:
            queue.shutdown()

    async with asyncio.TaskGroup() as group:
        for start in (0, 10):
            group.create_task(produce(start))
        group.create_task(consume())
        group.create_task(end())
    assert len(set(got)) == len(got)
    assert [number for number in got if number < 10] == sorted(number for number in got if number < 10)


async def jobs_run_when_they_are_due() -> None:
    """A scheduler sleeps until the earliest job is due, and is woken when an earlier one comes in."""
    loop = asyncio.get_running_loop()
    heap, changed, ran = list[tuple[float, int]](), asyncio.Event(), list[tuple[float, int]]()

    def schedule(delay: float, job: int) -> None:
        heapq.heappush(heap, (loop.time() + delay, job))
        changed.set()

    async def run_due() -> None:
        while len(ran) < 3:
            changed.clear()
            if heap and heap[0][0] <= loop.time():
                due, job = heapq.heappop(heap)
                ran.append((due, job))
                assert loop.time() >= due
                continue
            left = heap[0][0] - loop.time() if heap else None
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await changed.wait()

    async with asyncio.TaskGroup() as group:
        running = group.create_task(run_due())
        schedule(0.5, 1)
        await asyncio.sleep(0.1)
        schedule(0.1, 2)
        schedule(0.9, 3)
    if not running.cancelled():
        assert [job for _, job in ran] == [2, 1, 3]


HAS_SHUTDOWN = sys.version_info >= (3, 13)
