"""anyio: task groups, cancel scopes, streams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream, TaskStatus


async def memory_streams_carry_in_order() -> None:
    """Two stages and a stream between each; whoever ends closes his ends, and the others hear of it."""
    got: list[int] = []

    async def produce(out: ObjectSendStream[int]) -> None:
        async with out:
            for number in range(3):
                await out.send(number)

    async def double(source: ObjectReceiveStream[int], out: ObjectSendStream[int]) -> None:
        async with source, out:
            async for number in source:
                await out.send(2 * number)

    async def consume(source: ObjectReceiveStream[int]) -> None:
        async with source:
            async for number in source:
                got.append(number)
                await anyio.sleep(0.1)

    send_raw, receive_raw = anyio.create_memory_object_stream[int](1)
    send_doubled, receive_doubled = anyio.create_memory_object_stream[int](0)
    with send_raw, receive_raw, send_doubled, receive_doubled:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(produce, send_raw)
                group.start_soon(double, receive_raw, send_doubled)
                group.start_soon(consume, receive_doubled)
        except* anyio.BrokenResourceError:
            pass  # a receiver was cancelled, and its sender heard of it
    assert got == [0, 2, 4][: len(got)]


async def scopes_tell_how_they_were_left() -> None:
    """`move_on_after` inside `fail_after`: the inner one says whether it was used up, the outer one raises."""
    steps: list[str] = []
    try:
        with anyio.fail_after(2):
            with anyio.move_on_after(1) as scope:
                await anyio.sleep(1.5)
                steps.append("not reached")
            assert scope.cancelled_caught
            steps.append("moved on")
            await anyio.sleep(0.5)
            steps.append("in time")
    except TimeoutError:
        steps.append("late")
    assert "not reached" not in steps
    assert steps[-1:] in (["in time"], ["late"])


async def a_farewell_is_shielded() -> None:
    """Cleaning up that awaits does so in a shielded scope with a deadline of its own."""
    opened = said_goodbye = 0

    @asynccontextmanager
    async def session() -> AsyncIterator[None]:
        nonlocal opened, said_goodbye
        opened += 1
        try:
            yield
        finally:
            with anyio.move_on_after(1, shield=True):
                await anyio.sleep(0.2)
            said_goodbye += 1

    async def client(seconds: float) -> None:
        with anyio.move_on_after(0.5):
            async with session():
                await anyio.sleep(seconds)

    async with anyio.create_task_group() as group:
        for seconds in (0.1, 2):
            group.start_soon(client, seconds)
    assert opened == 2
    assert said_goodbye <= opened


async def a_limiter_limits() -> None:
    """Never more borrowers than tokens; each token comes back."""
    limiter, inside = anyio.CapacityLimiter(2), 0

    async def borrow() -> None:
        nonlocal inside
        with anyio.move_on_after(1):
            async with limiter:
                inside += 1
                assert inside <= 2
                try:
                    await anyio.sleep(0.3)
                finally:
                    inside -= 1

    try:
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(borrow)
    finally:
        assert limiter.borrowed_tokens == 0
        assert inside == 0


async def a_server_says_when_it_is_ready() -> None:
    """`start` returns when the task says so; the group is left by cancelling its scope."""
    log: list[str] = []

    async def server(*, task_status: TaskStatus[int] = anyio.TASK_STATUS_IGNORED) -> None:
        try:
            await anyio.sleep(0.1)
            log.append("ready")
            task_status.started(8080)
            await anyio.sleep_forever()
        finally:
            log.append("down")

    async with anyio.create_task_group() as group:
        try:
            port = await group.start(server)
        except RuntimeError:  # anyio's word for a task that was cancelled before it was ready
            assert log == ["down"]
            return
        assert port == 8080
        assert log[0] == "ready"
        with anyio.move_on_after(0.5):
            await anyio.sleep(0.2)
        group.cancel_scope.cancel()
    assert log == ["ready", "down"]


async def errors_come_out_of_groups() -> None:
    """Of two that fail both errors come out, and who only waited is cancelled."""
    cleaned = 0

    async def fail(error: Exception) -> None:
        await anyio.sleep(0.1)
        raise error

    async def wait() -> None:
        nonlocal cleaned
        try:
            await anyio.sleep(10)
        finally:
            cleaned += 1

    caught: list[str] = []
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(fail, OSError("disk"))
            group.start_soon(wait)
            group.start_soon(fail, KeyError("key"))
    except* (OSError, KeyError) as errors:
        caught += [type(error).__name__ for error in errors.exceptions]
    assert cleaned == 1
    assert set(caught) <= {"OSError", "KeyError"}


async def a_lock_and_a_condition() -> None:
    """anyio's own lock and condition: items are got once, and the lock is free at the end."""
    condition, items, put, got = anyio.Condition(), list[int](), list[int](), list[int]()

    async def produce() -> None:
        for number in range(3):
            async with condition:
                items.append(number)
                put.append(number)
                condition.notify_all()
            await anyio.sleep(0.1)

    async def consume() -> None:
        with anyio.move_on_after(2):
            while True:
                async with condition:
                    while not items:
                        await condition.wait()
                    got.append(items.pop(0))

    async with anyio.create_task_group() as group:
        group.start_soon(consume)
        group.start_soon(consume)
        group.start_soon(produce)
    assert not condition.locked()
    assert sorted(got + items) == put


async def a_semaphore_hands_over() -> None:
    """anyio's semaphore: nobody is forgotten in its queue, and its value is whole again at the end."""
    semaphore, inside = anyio.Semaphore(1, max_value=1), 0

    async def enter(patience: float) -> None:
        nonlocal inside
        with anyio.move_on_after(patience):
            async with semaphore:
                inside += 1
                assert inside == 1
                try:
                    await anyio.sleep(0.2)
                finally:
                    inside -= 1

    try:
        async with anyio.create_task_group() as group:
            for patience in (1, 0.3, 1):
                group.start_soon(enter, patience)
    finally:
        assert semaphore.value == 1
