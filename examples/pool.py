"""A pool that hands its slots over, with the bug that many pools have had.

    python -m faultloop explore examples/pool.py:scenario --tasks 'worker-*'

A waiter that is cancelled while it waits never got a slot, and nothing is lost. One that is cancelled when its slot
has been handed to it, but before it runs again, takes the slot with it.
"""

from __future__ import annotations

import asyncio


class Pool:
    """A number of slots. A released slot goes to the longest waiter."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._free = size
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def in_use(self) -> int:
        """How many slots somebody holds."""
        return self._size - self._free

    async def acquire(self) -> None:
        """Wait for a slot."""
        if self._free:
            self._free -= 1
            return
        slot = asyncio.get_running_loop().create_future()
        self._waiters.append(slot)
        try:
            await slot
        finally:
            if slot in self._waiters:
                self._waiters.remove(slot)

    def release(self) -> None:
        """Give a slot back, or hand it over."""
        while self._waiters:
            slot = self._waiters.pop(0)
            if not slot.done():
                slot.set_result(None)
                return
        self._free += 1


async def worker(pool: Pool, jobs: asyncio.Queue[int]) -> None:
    """Do the jobs, each with a slot of the pool."""
    while True:
        await jobs.get()
        try:
            await pool.acquire()
            try:
                await asyncio.sleep(0.1)
            finally:
                pool.release()
        finally:
            jobs.task_done()


async def scenario() -> None:
    """Two workers, one slot, three jobs: all jobs get done, and the slot comes back."""
    pool, jobs = Pool(1), asyncio.Queue[int]()
    workers = [asyncio.create_task(worker(pool, jobs), name=f"worker-{i}") for i in (1, 2)]
    for job in range(3):
        jobs.put_nowait(job)
    async with asyncio.timeout(30):
        await jobs.join()
    for task in workers:
        task.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert pool.in_use == 0, f"{pool.in_use} slot is still in use, and nobody holds it"
