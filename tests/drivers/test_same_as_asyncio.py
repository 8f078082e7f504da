"""The order of a program on our loop, calm, is asyncio's own: fifo is asyncio's promise.

Generated programs of tasks that sleep, wait, lock, queue, cancel and time out run on both; every step they log must
come in the same order and at the same time. Instants are multiples of 1/16 s, so that the reference's float clock is
exact.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from faultloop.drivers.asyncio.loop import Loop
from faultloop.drivers.asyncio.run import execute
from faultloop.drivers.settings import Settings
from tests.drivers.reference import run_reference
from tests.support.length import times

Op = tuple[str, int]
Program = list[list[Op]]

OPS = (
    *("yield", "sleep", "lock", "semaphore", "set", "clear", "wait", "put", "get", "notify", "await_condition"),
    *(
        "cancel",
        "join",
        "shield",
        "wait_for",
        "timeout",
        "gather",
        "group",
        "wait_first",
        "completed",
        "soon",
        "later0",
    ),
    *("past", "future", "generator", "stubborn", "barrier", "call_soon_threadsafe", "rename"),
)
programs = st.lists(
    st.lists(st.tuples(st.sampled_from(OPS), st.integers(0, 3)), min_size=1, max_size=7), min_size=2, max_size=5
)


class World:
    """What the tasks of one program share, and the log of what they did."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.log: list[tuple[Any, ...]] = []
        self.locks = [asyncio.Lock() for _ in range(2)]
        self.semaphore = asyncio.Semaphore(2)
        self.events = [asyncio.Event() for _ in range(2)]
        self.queue: asyncio.Queue[int] = asyncio.Queue(1)
        self.condition = asyncio.Condition()
        self.barrier = asyncio.Barrier(2)
        self.tasks: list[asyncio.Task[None]] = []
        self.children: list[asyncio.Task[int]] = []

    def note(self, *what: Any) -> None:
        self.log.append((*what, asyncio.get_running_loop().time()))

    async def main(self) -> list[tuple[Any, ...]]:
        self.tasks = [asyncio.create_task(self.actor(i)) for i in range(len(self.program))]
        for task in self.tasks:
            task.add_done_callback(lambda task: self.note("done", task.cancelled()))
        await asyncio.wait(self.tasks, timeout=50)
        for task in self.tasks:
            task.cancel()
        results = await asyncio.gather(*self.tasks, return_exceptions=True)
        self.note([type(result).__name__ for result in results])
        await asyncio.gather(*self.children, return_exceptions=True)  # else Runner cancels them in the order of a set
        return self.log

    def spawn(self, i: int, k: int) -> asyncio.Task[int]:
        self.children.append(task := asyncio.create_task(self.child(i, k)))
        return task

    async def actor(self, i: int) -> None:
        try:
            for op, k in self.program[i]:
                self.note(i, op, k)
                try:
                    async with asyncio.timeout(1 + i / 8):
                        await getattr(self, f"do_{op}")(i, k)
                except TimeoutError:
                    self.note(i, op, "timed out")
        except asyncio.CancelledError:
            self.note(i, "cancelled")
            await asyncio.sleep(0)
            self.note(i, "cleaned up")
            raise
        self.note(i, "ended")

    async def child(self, i: int, k: int) -> int:
        self.note(i, "child", k)
        try:
            await (asyncio.sleep(k / 8) if k else asyncio.sleep(0))
        finally:
            self.note(i, "child ends", k)
        return k

    async def do_yield(self, i: int, k: int) -> None:
        for _ in range(k + 1):
            await asyncio.sleep(0)
            self.note(i, "yielded")

    async def do_sleep(self, i: int, k: int) -> None:
        await asyncio.sleep(k / 8)

    async def do_lock(self, i: int, k: int) -> None:
        async with self.locks[k % 2]:
            self.note(i, "locked")
            await asyncio.sleep(k / 8)

    async def do_semaphore(self, i: int, k: int) -> None:
        async with self.semaphore:
            await asyncio.sleep(k / 8)

    async def do_set(self, i: int, k: int) -> None:
        self.events[k % 2].set()

    async def do_clear(self, i: int, k: int) -> None:
        self.events[k % 2].clear()

    async def do_wait(self, i: int, k: int) -> None:
        await self.events[k % 2].wait()

    async def do_put(self, i: int, k: int) -> None:
        await self.queue.put(k)

    async def do_get(self, i: int, k: int) -> None:
        self.note(i, "got", await self.queue.get())

    async def do_notify(self, i: int, k: int) -> None:
        async with self.condition:
            self.condition.notify(k)

    async def do_await_condition(self, i: int, k: int) -> None:
        async with self.condition:
            await self.condition.wait()

    async def do_cancel(self, i: int, k: int) -> None:
        self.note(i, "cancels", self.tasks[k % len(self.tasks)].cancel())

    async def do_join(self, i: int, k: int) -> None:
        if (other := self.tasks[k % len(self.tasks)]) is not self.tasks[i]:
            await asyncio.wait([other])

    async def do_shield(self, i: int, k: int) -> None:
        await asyncio.shield(self.spawn(i, k))

    async def do_wait_for(self, i: int, k: int) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.child(i, k), (k + 1) / 16)

    async def do_timeout(self, i: int, k: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(k / 16):
                await asyncio.sleep(1 / 8)

    async def do_gather(self, i: int, k: int) -> None:
        await asyncio.gather(*(self.spawn(i, n) for n in range(k)), return_exceptions=True)

    async def do_group(self, i: int, k: int) -> None:
        with suppress(BaseExceptionGroup):
            async with asyncio.TaskGroup() as group:
                for n in range(k):
                    group.create_task(self.child(i, n))
                if k == 3:
                    raise ValueError

    async def do_wait_first(self, i: int, k: int) -> None:
        children = [self.spawn(i, n) for n in range(k + 1)]
        done, _ = await asyncio.wait(children, return_when=asyncio.FIRST_COMPLETED)
        self.note(i, len(done))
        for child in children:
            child.cancel()

    async def do_completed(self, i: int, k: int) -> None:
        children = [self.spawn(i, n % 2) for n in range(k)]
        for each in asyncio.as_completed(children, timeout=1 / 16):
            with suppress(TimeoutError):
                self.note(i, "completed", await each)

    async def do_soon(self, i: int, k: int) -> None:
        loop = asyncio.get_running_loop()
        for n in range(k):
            handle = loop.call_soon(self.note, i, "soon", n)
            if n == 2:
                handle.cancel()

    async def do_later0(self, i: int, k: int) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0, self.note, i, "later0")
        loop.call_soon(self.note, i, "soon after later0")
        if k:
            await asyncio.sleep(0)

    async def do_past(self, i: int, k: int) -> None:
        loop = asyncio.get_running_loop()
        loop.call_at(loop.time() - 1, self.note, i, "past")
        loop.call_later(k / 8, self.note, i, "later", k)

    async def do_future(self, i: int, k: int) -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        future.add_done_callback(lambda _: self.note(i, "callback of a future"))
        loop.call_later(k / 8, self.set_once, future)
        await future

    def set_once(self, future: asyncio.Future[None]) -> None:
        if not future.done():
            future.set_result(None)

    async def do_generator(self, i: int, k: int) -> None:
        async def numbers():
            try:
                for n in range(k):
                    await asyncio.sleep(0)
                    yield n
            finally:
                self.note(i, "generator closed")

        @asynccontextmanager
        async def around():
            await asyncio.sleep(0)
            yield
            await asyncio.sleep(0)

        async with around():
            async for n in numbers():
                self.note(i, n)

    async def do_stubborn(self, i: int, k: int) -> None:
        try:
            await asyncio.sleep(k / 8)
        except asyncio.CancelledError:
            self.note(i, "resists")
            await asyncio.sleep(1 / 16)

    async def do_barrier(self, i: int, k: int) -> None:
        with suppress(asyncio.BrokenBarrierError):
            await self.barrier.wait()

    async def do_call_soon_threadsafe(self, i: int, k: int) -> None:
        asyncio.get_running_loop().call_soon_threadsafe(self.note, i, "threadsafe")

    async def do_rename(self, i: int, k: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name(f"renamed {k}")
        self.note(i, task.get_name())


def on_ours(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main())


@settings(max_examples=times(400), deadline=None)
@given(programs)
@example([[("completed", 3), ("later0", 1)], [("past", 0), ("soon", 3), ("cancel", 0)]])
def test_a_program_runs_in_asyncios_own_order(program: Program):
    """Both speeds that the loop has, alone and under a run, against asyncio's loop with a jumping clock."""
    expected = run_reference(World(program).main())
    assert on_ours(lambda: World(program).main()) == expected
    facts = execute(lambda: World(program).main(), Settings())
    assert facts.error is None
    assert facts.value == expected


@pytest.mark.parametrize("op", OPS)
def test_every_operation_alone_and_against_itself(op: str):
    program = [[(op, k), (op, k)] for k in range(4)]
    assert on_ours(lambda: World(program).main()) == run_reference(World(program).main())
