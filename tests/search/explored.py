"""Programs that tests of exploring share, and how their failures are read."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from faultloop import Exploration

Scenario = Callable[[], Coroutine[Any, Any, object]]
EVERY_SINGLE = "every single fault (cancel) at every await of the calm run"


def faults_of(found: Exploration) -> list[str]:
    return [failure.fault for failure in found.failures]


async def two_workers() -> None:
    """Correct: two workers and a queue, and whatever is cancelled cleans up after itself."""
    queue = asyncio.Queue[int]()

    async def worker() -> None:
        while True:
            await queue.get()
            try:
                await asyncio.sleep(0.1)
            finally:
                queue.task_done()

    workers = [asyncio.create_task(worker(), name=f"worker-{n}") for n in (1, 2)]
    for number in range(4):
        queue.put_nowait(number)
    done, _ = await asyncio.wait([asyncio.ensure_future(queue.join()), *workers], return_when=asyncio.FIRST_COMPLETED)
    for task in (*workers, *done):
        task.cancel()
    await asyncio.gather(*workers, *done, return_exceptions=True)


def leaky(*, says_goodbye: bool = True) -> Scenario:
    """A resource that is given back in a cleanup with an await of its own, before the giving back."""

    async def scenario() -> None:
        held = 0

        async def user() -> None:
            nonlocal held
            held += 1
            try:
                await asyncio.sleep(1)
            finally:
                if says_goodbye:
                    await asyncio.sleep(0.5)  # whoever is cancelled here keeps the resource
                held -= 1

        await asyncio.gather(asyncio.create_task(user(), name="user"), return_exceptions=True)
        assert held == 0, "the resource is still held"

    return scenario


def rolls_back() -> Scenario:
    """Commits without an await; only rolling back has one. One fault alone is always borne."""

    async def scenario() -> None:
        is_open = False

        async def transaction() -> None:
            nonlocal is_open
            is_open = True
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                await asyncio.sleep(0.5)  # the rollback travels: a second cancellation here leaves it open
                is_open = False
                raise
            is_open = False

        await asyncio.gather(asyncio.create_task(transaction(), name="transaction"), return_exceptions=True)
        assert not is_open, "the transaction is still open"

    return scenario


async def needs_an_order() -> None:
    """Wrong unless the two start in the order in which they were made."""
    said: list[str] = []

    async def say(word: str) -> None:
        said.append(word)

    await asyncio.gather(say("first"), say("second"))
    assert said == ["first", "second"], said


async def alone() -> None:
    await asyncio.sleep(1)
