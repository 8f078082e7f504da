"""A cancel at every await of a worker's tasks, each in a run of its own.

Goal: wherever a task of the worker is cancelled, no job is lost or stays claimed, no effect is doubled, every
invariant holds, and a second worker finishes what is left. Method: asyncio's own Task.cancel at the n-th step of the
task of a name, which no anyio shield stops; and on both backends a cancel of the host at the n-th operation.
"""

import asyncio
import gc
from collections.abc import Callable, Generator
from contextlib import suppress
from random import Random
from typing import Any

import anyio
import pytest

from aqueue import Context, LoopClock, MemoryStore, Queue, Retry, WorkerStopped
from tests.aqueue.support import FaultyStore, JumpingLoop

Effects = list[tuple[str, str]]


def make(store: Any, seed: int, effects: Effects) -> tuple[Queue, Any]:
    q = Queue(store, clock=LoopClock(epoch_ms=1_000_000 + seed * 10**7), random=Random(seed))

    @q.task(retry=Retry(4, base=0.1))
    async def work(ctx: Context, name: str) -> str:
        async with ctx.once(name) as effect:
            if not effect.is_undecided:
                return str(effect.result)
            await anyio.sleep(0.1)
            effects.append((name, "first" if effect.fresh else "asked again under the same key"))
            effect.result = name
        await anyio.sleep(1)
        if name == "flaky" and ctx.attempt == 1:
            raise OSError
        return name

    return q, work


async def finish(store: Any, effects: Effects) -> None:
    """A second process takes over; in the end everything is as if nothing had happened."""
    q, _ = make(store, 2, effects)
    async with q:
        await q.run_until_idle(concurrency=2, limit=600)
        assert await q.check(grace=60) == ()
        assert (await q.counts())["succeeded"] == 3
        for number in (1, 2, 3):
            assert (await q.job(number).info()).failures <= 2
    assert {name for name, _ in effects} == {"flaky", "one", "two"}
    firsts = [name for name, how in effects if how == "first"]
    assert len(firsts) == len(set(firsts)), "nobody may take an effect for fresh that another attempt performed"


class Injector:
    """Cancels one task at its n-th step; counts the steps of all tasks of that name."""

    def __init__(self, task_name: str, at: int) -> None:
        self.task_name = task_name
        self.at = at
        self.steps = 0
        self.hit = False

    def factory(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(self.watched(coroutine), loop=loop, **options)

    async def watched(self, coroutine: Any) -> Any:
        return await _Watched(coroutine, self)

    def asks_to_cancel(self) -> bool:
        task = asyncio.current_task()
        if task is None or task.get_name() != self.task_name or self.hit:
            return False
        self.steps += 1
        self.hit = self.steps == self.at
        return self.hit


class _Watched:
    """A coroutine driven step by step; at the chosen step it is resumed with CancelledError."""

    def __init__(self, coroutine: Any, injector: Injector) -> None:
        self.coroutine = coroutine
        self.injector = injector

    def __await__(self) -> Generator[Any, Any, Any]:
        resume: Callable[[], Any] = lambda: self.coroutine.send(None)  # noqa: E731
        while True:
            if self.injector.asks_to_cancel():
                resume = lambda: self.coroutine.throw(asyncio.CancelledError())  # noqa: E731
            try:
                awaited = resume()
            except StopIteration as returned:
                return returned.value
            try:
                yield awaited
                resume = lambda: self.coroutine.send(None)  # noqa: E731
            except BaseException as raised:
                error = raised
                resume = lambda error=error: self.coroutine.throw(error)  # type: ignore[misc]  # noqa: E731


# A coroutine that is cancelled before its first step was never awaited: Python says so, and that is meant here.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize(
    "task_name", ["worker-1", "worker-1.renew", "worker-1.leases", "worker-1.sweep", "worker-1.job"]
)
def test_a_task_of_the_worker_may_be_cancelled_at_any_await(task_name: str):
    for at in range(1, 400):
        injector = Injector(task_name, at)
        _run_with(injector)
        if not injector.hit:
            assert at > 3, "the sweep must have cancelled something"
            del injector
            gc.collect()  # what was never awaited is said here, not in whatever test comes next
            return
    pytest.fail("the sweep did not end")


async def end_worker(q: Queue) -> None:
    async with q.worker():
        await anyio.sleep(0.5)
        (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "worker-1")
        task.cancel()
        await anyio.sleep_forever()


def test_a_worker_that_somebody_ends_ends_its_body_loudly():
    async def main() -> None:
        q, work = make(MemoryStore(), 1, [])
        async with q:
            job = await work.enqueue("one")
            with pytest.raises(WorkerStopped, match="AQ051 worker-1 ended"):
                await end_worker(q)
            assert (await job.info()).state == "pending"

    anyio.run(main, backend_options={"loop_factory": JumpingLoop})


def _run_with(injector: Injector) -> None:
    store, effects = MemoryStore(), Effects()

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(injector.factory)
        q, work = make(store, 1, effects)
        async with q:
            await q.enqueue_many([work.job("one"), work.job("flaky"), work.job("two")])
            with suppress(WorkerStopped), anyio.move_on_after(10):
                async with q.worker(concurrency=2, lease=5, drain=5):
                    await anyio.sleep(3)
        asyncio.get_running_loop().set_task_factory(None)
        await finish(store, effects)

    loop = JumpingLoop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


@pytest.mark.anyio
@pytest.mark.parametrize("at", range(1, 40))
async def test_the_host_may_be_cancelled_at_any_operation(virtual: tuple[str, dict[str, Any]], at: int):
    """At the n-th operation the host is cancelled, while that operation is under way."""
    seen = [0]
    effects: Effects = []

    def fault(_: object) -> None:
        seen[0] += 1
        if seen[0] == at:
            host.cancel()

    inner = MemoryStore()
    async with Queue(inner, clock=LoopClock()) as setup:
        work = setup.task(name="work")(_unused)
        await setup.enqueue_many([work.job(name) for name in ("one", "flaky", "two")])
    with anyio.CancelScope() as host:
        q, _ = make(FaultyStore(inner, fault), 1, effects)
        async with q, q.worker(concurrency=2, lease=5):
            await anyio.sleep(3)
    await finish(inner, effects)


@pytest.fixture
def anyio_backend(virtual: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return virtual


async def _unused(name: str) -> None: ...
