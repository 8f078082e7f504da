"""Deadlines, shields and endings: what was begun is undone or done, and in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from contextvars import ContextVar


async def deadlines_nest() -> None:
    """The inner deadline is caught inside, the outer one outside; what comes out tells which it was."""
    outcome = "none"
    try:
        async with asyncio.timeout(3) as outer:
            try:
                async with asyncio.timeout(1) as inner:
                    await asyncio.sleep(2)
                    outcome = "neither"
            except TimeoutError:
                assert inner.expired()
                outcome = "inner"
            await asyncio.sleep(1)
            async with asyncio.timeout(5):
                await asyncio.sleep(0.5)
    except TimeoutError:
        assert outer.expired()
        outcome = "outer"
    assert outcome in ("inner", "outer")
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def a_deadline_is_moved() -> None:
    """Progress puts the deadline off; without progress it comes."""
    loop = asyncio.get_running_loop()
    seen = 0
    try:
        async with asyncio.timeout(0.3) as deadline:
            for number in range(5):
                await asyncio.sleep(0.2)
                seen = number + 1
                deadline.reschedule(loop.time() + 0.3)
            await asyncio.sleep(1)
        raise AssertionError("the deadline never came")
    except TimeoutError:
        assert deadline.expired()
    assert seen <= 5


async def waits_for_nest() -> None:
    """`wait_for` around `wait_for`: the task inside is over when the outer one raises."""
    inside, finished = 0, 0

    async def work(seconds: float) -> str:
        nonlocal inside, finished
        inside += 1
        try:
            await asyncio.sleep(seconds)
            finished += 1
            return "done"
        finally:
            inside -= 1

    async def two(seconds: float) -> str:
        try:
            return await asyncio.wait_for(work(seconds), 1)
        except TimeoutError:
            return "late"

    heard: list[str] = []
    for seconds in (0.5, 2.0):
        with suppress(TimeoutError):
            heard.append(await asyncio.wait_for(two(seconds), 1.5))
        assert inside == 0
    assert set(heard) <= {"done", "late"}


async def a_commit_is_shielded() -> None:
    """Once it has begun, it is carried through, or rolled back: it is waited for even by who was cancelled."""
    rows: list[str] = []
    state = "open"

    async def commit() -> None:
        nonlocal state
        mark = len(rows)
        try:
            rows.append("debit")
            await asyncio.sleep(0.1)
            rows.append("credit")
            await asyncio.sleep(0.1)
            state = "committed"
        finally:
            if state != "committed":
                del rows[mark:]
                state = "rolled back"

    async def carry_through(task: asyncio.Task[None]) -> None:
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
        if not task.cancelled():
            task.result()

    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.15):
                await carry_through(asyncio.create_task(commit()))
    finally:
        assert (state, rows) in (("committed", ["debit", "credit"]), ("rolled back", []), ("open", []))


async def a_shield_outlives_its_caller() -> None:
    """A flush in the background goes on when its caller gives up, and is awaited at the end."""
    flushed, background = list[int](), set[asyncio.Task[None]]()

    async def flush(number: int) -> None:
        await asyncio.sleep(0.5)
        flushed.append(number)

    async def caller(number: int) -> None:
        task = asyncio.create_task(flush(number))
        background.add(task)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2 + 0.4 * number):
                await asyncio.shield(task)

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(2):
                group.create_task(caller(number))
    finally:
        if background:
            await asyncio.wait(background)
            assert sorted(flushed) == sorted(set(flushed))
            assert len(flushed) == sum(not task.cancelled() for task in background)


async def generators_are_closed() -> None:
    """Two generators, one inside the other; both are closed where the loop over them is left."""
    opened: list[str] = []

    async def lines() -> AsyncGenerator[int]:
        opened.append("lines")
        try:
            for number in range(10):
                await asyncio.sleep(0.1)
                yield number
        finally:
            opened.remove("lines")

    async def evens() -> AsyncGenerator[int]:
        opened.append("evens")
        try:
            async with aclosing(lines()) as source:
                async for number in source:
                    if number % 2 == 0:
                        yield number
        finally:
            opened.remove("evens")

    got: list[int] = []
    try:
        async with aclosing(evens()) as source:
            async for number in source:
                got.append(number)
                if number == 4:
                    break
    finally:
        assert opened == []
    assert got == [0, 2, 4]


async def resources_are_left_in_order() -> None:
    """An exit stack of resources whose closing awaits: each is closed once, the last one first."""
    opened, closed = list[int](), list[int]()

    @asynccontextmanager
    async def resource(number: int) -> AsyncIterator[int]:
        await asyncio.sleep(0.1)
        opened.append(number)
        try:
            yield number
        finally:
            closed.append(number)  # before the await: it counts as closed however the farewell ends
            await asyncio.sleep(0.1)

    try:
        async with AsyncExitStack() as stack:
            for number in range(3):
                assert await stack.enter_async_context(resource(number)) == number
            await asyncio.sleep(0.2)
    finally:
        assert closed == opened[::-1]


REQUEST: ContextVar[str] = ContextVar("REQUEST", default="nobody")


async def contexts_stay_apart() -> None:
    """What a task sets in its context is seen by it and by those it starts, and by nobody else."""
    seen: dict[str, list[str]] = {}

    async def helper(of: str) -> None:
        await asyncio.sleep(0.1)
        seen.setdefault(of, []).append(REQUEST.get())

    async def request(name: str) -> None:
        token = REQUEST.set(name)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(helper(name))
                await helper(name)
        finally:
            REQUEST.reset(token)
        assert REQUEST.get() == "nobody"

    async with asyncio.TaskGroup() as group:
        for name in ("ann", "bob", "cid"):
            group.create_task(request(name))
    assert REQUEST.get() == "nobody"
    assert all(set(names) == {of} for of, names in seen.items())
