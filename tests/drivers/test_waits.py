"""What a deadlock says: for each task where it waits, for what, and who could give it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

import faultloop
from faultloop import Run, Status
from faultloop.errors import RunFailed
from faultloop.model.outcome import Waiting


def deadlocked(scenario: Callable[[], Awaitable[Any]], **how: Any) -> Run:
    run = faultloop.run(scenario, **how)
    assert run.status is Status.DEADLOCKED, (run.status, run.exception)
    return run


def lines(run: Run) -> dict[str, Waiting]:
    """The wait-for graph by the last part of each task's path."""
    return {waiting.task.rpartition("/")[2]: waiting for waiting in run.trace.outcome.waiting}


def line_of(text: str) -> int:
    """Where in this file a line stands that ends in a mark."""
    here = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(here, 1) if line.endswith(f"# {text}"))


async def two_locks() -> None:
    first, second = asyncio.Lock(), asyncio.Lock()

    async def grab(one: asyncio.Lock, other: asyncio.Lock) -> None:
        async with one:
            await asyncio.sleep(1)
            await other.acquire()  # here they cross

    async with asyncio.TaskGroup() as group:
        group.create_task(grab(first, second), name="left")
        group.create_task(grab(second, first), name="right")


def test_two_crossed_locks_name_each_other_as_owners():
    run = deadlocked(two_locks)
    found = lines(run)
    place = f"tests/drivers/test_waits.py:{line_of('here they cross')}"
    assert found["left"] == Waiting("two_locks/left", "grab>Lock.acquire", place, "release()", "two_locks/right")
    assert found["right"].owner == "two_locks/left"
    assert run.virtual_time == 1


def test_the_graph_names_the_parent_too():
    found = lines(deadlocked(two_locks))
    assert list(found) == ["two_locks", "left", "right"]
    assert found["two_locks"].where == "two_locks>TaskGroup.__aexit__"


def test_raise_if_failed_shows_the_graph():
    with pytest.raises(RunFailed) as caught:
        deadlocked(two_locks).raise_if_failed()
    assert "two_locks/left waits at grab>Lock.acquire" in str(caught.value)
    assert "needs release(), held by two_locks/right" in str(caught.value)


async def _never(wait: Callable[[], Awaitable[Any]]) -> None:
    await wait()


def _queue_get() -> Awaitable[Any]:
    return asyncio.Queue[int]().get()


def _full_queue() -> asyncio.Queue[int]:
    queue = asyncio.Queue[int](1)
    queue.put_nowait(1)
    return queue


@pytest.mark.parametrize(
    ("wait", "awaited", "needs"),
    [
        (_queue_get, "Queue.get", "put()"),
        (lambda: _full_queue().put(1), "Queue.put", "get()"),
        (lambda: _full_queue().join(), "Queue.join", "task_done()"),
        (lambda: asyncio.Event().wait(), "Event.wait", "set()"),
        (lambda: asyncio.Semaphore(0).acquire(), "Semaphore.acquire", "release()"),
        (lambda: asyncio.get_running_loop().create_future(), "Future", "set_result()"),
        (lambda: asyncio.Future[None](), "Future", "set_result()"),
        (lambda: anyio.Event().wait(), "Event.wait", "set()"),
        (lambda: anyio.Semaphore(0).acquire(), "Semaphore.acquire", "release()"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_each_wait_says_what_would_end_it(wait: Callable[[], Awaitable[Any]], awaited: str, needs: str):
    async def scenario() -> None:
        kept.append(wait)
        await _never(wait)

    kept: list[Any] = []
    (waiting,) = deadlocked(scenario).trace.outcome.waiting
    assert (waiting.where, waiting.needs) == (f"_never>{awaited}", needs)


def test_a_condition_says_notify():
    async def scenario() -> None:
        condition = asyncio.Condition()
        async with condition:
            await condition.wait()

    (waiting,) = deadlocked(scenario).trace.outcome.waiting
    assert (waiting.where, waiting.needs) == ("scenario>Condition.wait", "notify()")


def test_a_memory_stream_says_send():
    async def scenario() -> None:
        send, receive = anyio.create_memory_object_stream[int](0)
        with send, receive:
            await receive.receive()

    (waiting,) = deadlocked(scenario).trace.outcome.waiting
    assert (waiting.where, waiting.needs) == ("scenario>MemoryObjectReceiveStream.receive", "send()")


def test_a_task_awaited_is_the_owner():
    async def scenario() -> None:
        await asyncio.create_task(asyncio.Event().wait(), name="child")

    found = lines(deadlocked(scenario))
    assert (found["scenario"].needs, found["scenario"].owner) == ("its end", "scenario/child")


def test_a_gather_says_how_many_it_waits_for():
    async def scenario() -> None:
        await asyncio.gather(asyncio.sleep(1), asyncio.Event().wait(), asyncio.Event().wait())

    waiting = deadlocked(scenario).trace.outcome.waiting[0]
    assert waiting.needs == "the end of 2 tasks"
    assert waiting.owner.startswith("scenario/Event.wait")


def test_a_lock_that_its_owner_wants_again_names_the_owner_itself():
    async def scenario() -> None:
        lock = asyncio.Lock()
        await lock.acquire()
        await lock.acquire()

    (waiting,) = deadlocked(scenario).trace.outcome.waiting
    assert waiting.owner == waiting.task == "scenario"


def test_a_lock_whose_owner_has_ended_still_names_it():
    """The classic leak: cancelled between acquire and the try."""

    async def scenario() -> None:
        lock = asyncio.Lock()

        async def careless() -> None:
            await lock.acquire()

        await asyncio.create_task(careless(), name="careless")
        await lock.acquire()

    (waiting,) = deadlocked(scenario).trace.outcome.waiting
    assert waiting.owner == "scenario/careless"


def test_anyios_lock_names_its_owner():
    async def scenario() -> None:
        lock = anyio.Lock()

        async def holder() -> None:
            async with lock:
                await anyio.sleep_forever()

        async with anyio.create_task_group() as group:
            group.start_soon(holder, name="holder")
            await anyio.sleep(1)
            await lock.acquire()

    assert lines(deadlocked(scenario))["scenario"].owner == "scenario/holder"


def test_a_lock_handed_over_has_its_new_owner():
    async def scenario() -> None:
        lock = asyncio.Lock()

        async def holder() -> None:
            async with lock:
                await asyncio.sleep(1)

        async def keeper() -> None:
            async with lock:
                await asyncio.Event().wait()

        async with asyncio.TaskGroup() as group:
            group.create_task(holder(), name="holder")
            group.create_task(keeper(), name="keeper")
            group.create_task(holder(), name="third")

    assert lines(deadlocked(scenario))["third"].owner == "scenario/keeper"


def test_tasks_past_the_first_thirty_are_left_out():
    async def scenario() -> None:
        await asyncio.gather(*(asyncio.Event().wait() for _ in range(50)))

    assert len(deadlocked(scenario).trace.outcome.waiting) == 30


def test_a_livelock_has_the_graph_too():
    async def scenario() -> None:
        kept = asyncio.create_task(asyncio.Event().wait(), name="waiter")
        while not kept.done():  # noqa: ASYNC110
            await asyncio.sleep(0)

    run = faultloop.run(scenario)
    assert run.status is Status.LIVELOCKED
    assert {"scenario", "waiter"} == set(lines(run))
