"""Small programs whose runs are drawn and exported: with hand-overs, faults, children, long silences."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any


def busy(random: Random, *, tasks: int = 4, turns: int = 6) -> Callable[[], Coroutine[Any, Any, None]]:
    """A program of tasks that sleep, hand over, and wait for each other, as the random numbers have it."""
    plans = [[random.randrange(4) for _ in range(turns)] for _ in range(tasks)]

    async def scenario() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        lock = asyncio.Lock()

        async def work(plan: list[int]) -> None:
            for action in plan:
                if action == 0:
                    await asyncio.sleep(0.5)
                elif action == 1:
                    async with lock:
                        await asyncio.sleep(0)
                elif action == 2:
                    async with asyncio.timeout(1):
                        await queue.put(action)
                else:
                    async with asyncio.timeout(1):
                        await queue.get()

        everybody = (asyncio.create_task(work(plan), name=f"task-{number}") for number, plan in enumerate(plans))
        await asyncio.gather(*everybody, return_exceptions=True)

    return scenario


async def hand_over() -> None:
    """A task that waits for what another one puts."""
    queue: asyncio.Queue[int] = asyncio.Queue()
    taker = asyncio.create_task(queue.get(), name="taker")
    await asyncio.sleep(1)
    queue.put_nowait(1)
    await asyncio.wait([taker], timeout=5)


async def stuck() -> None:
    """A task that nobody ever wakes."""
    await asyncio.gather(asyncio.create_task(asyncio.Event().wait(), name="forgotten"))


async def many_events(tasks: int = 50, turns: int = 460) -> None:
    """Tasks that hand a number on to the next one: a long run. It fails at its end."""
    queues = [asyncio.Queue[int]() for _ in range(tasks)]

    async def pass_on(number: int) -> None:
        for _ in range(turns):
            value = await queues[number].get()
            if number % 10 == 0:
                await asyncio.sleep(0.25)
            queues[(number + 1) % tasks].put_nowait(value + 1)

    ring = [asyncio.create_task(pass_on(number), name=f"stage-{number}") for number in range(tasks)]
    for _ in range(3):
        queues[0].put_nowait(0)
    done, late = await asyncio.wait(ring, timeout=100_000)
    assert not late, f"{len(late)} stages are late"
    assert len(done) == 0, "every stage has ended"
