"""asyncio's tasks and what combines them have a defined answer on our loop, mostly asyncio's own."""

import asyncio
import contextvars
from typing import Any

import pytest

import faultloop
from faultloop import Status
from tests.drivers.support import passed, since_312, value

Log = list[Any]


def test_a_task_group_waits_for_its_tasks():
    async def scenario() -> list[int]:
        done: list[int] = []

        async def child(number: int) -> None:
            await asyncio.sleep(number)
            done.append(number)

        async with asyncio.TaskGroup() as group:
            for number in (3, 1, 2):
                group.create_task(child(number))
        return done

    run = passed(scenario)
    assert (run.value, run.virtual_time) == ([1, 2, 3], 3)


def test_a_task_group_cancels_the_others_when_one_fails():
    async def scenario() -> Log:
        log: Log = []

        async def sleeper() -> None:
            try:
                await asyncio.sleep(100)
            finally:
                log.append("cancelled")

        async def failing() -> None:
            await asyncio.sleep(1)
            raise ValueError("no")

        async def both() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(sleeper())
                group.create_task(failing())

        with pytest.raises(ExceptionGroup) as caught:
            await both()
        return [*log, *map(repr, caught.value.exceptions), asyncio.get_running_loop().time()]

    assert value(scenario) == ["cancelled", "ValueError('no')", 1.0]


def test_timeout_fires_at_its_deadline_exactly():
    async def scenario() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.sleep(10)
        return asyncio.get_running_loop().time()

    assert value(scenario) == 2.5


def test_a_timeout_that_does_not_fire_leaves_no_trace():
    async def scenario() -> str:
        async with asyncio.timeout(5):
            await asyncio.sleep(1)
        return "in time"

    run = passed(scenario)
    assert (run.value, run.virtual_time) == ("in time", 1)


def test_wait_for_cancels_what_it_waits_for():
    async def scenario() -> Log:
        log: Log = []

        async def slow() -> None:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                log.append("cancelled")
                raise

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slow(), 1)
        return [*log, await asyncio.wait_for(asyncio.sleep(1, "value"), 2)]

    assert value(scenario) == ["cancelled", "value"]


def test_shield_keeps_the_inner_task_when_the_outer_one_is_cancelled():
    async def scenario() -> str:
        inner = asyncio.create_task(asyncio.sleep(1, "kept"))

        async def outer() -> None:
            await asyncio.shield(inner)

        task = asyncio.create_task(outer())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await inner

    assert value(scenario) == "kept"


def test_gather_gives_results_in_the_order_asked():
    async def scenario() -> list[Any]:
        async def fail() -> None:
            raise KeyError("k")

        return [*await asyncio.gather(asyncio.sleep(2, "a"), fail(), asyncio.sleep(1, "b"), return_exceptions=True)]

    first, second, third = value(scenario)
    assert (first, type(second), third) == ("a", KeyError, "b")


def test_as_completed_starts_its_coroutines_in_the_order_given():
    async def scenario() -> tuple[list[int], list[int]]:
        started: list[int] = []

        async def child(number: int) -> int:
            started.append(number)
            await asyncio.sleep(10 - number)
            return number

        ended = [await future for future in asyncio.as_completed([child(n) for n in range(8)])]
        return started, ended

    assert value(scenario) == (list(range(8)), list(range(7, -1, -1)))


def test_as_completed_gives_up_at_its_timeout():
    async def scenario() -> float:
        (future,) = asyncio.as_completed([asyncio.sleep(9)], timeout=2)
        with pytest.raises(TimeoutError):
            await future
        return asyncio.get_running_loop().time()

    assert value(scenario) == 2


def test_wait_returns_at_the_first_end():
    async def scenario() -> tuple[set[str], set[str]]:
        tasks = [asyncio.create_task(asyncio.sleep(n), name=f"t{n}") for n in (1, 2, 3)]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.wait(pending)
        return {t.get_name() for t in done}, {t.get_name() for t in pending}

    assert value(scenario) == ({"t1"}, {"t2", "t3"})


def test_a_task_can_await_itself_no_more_than_on_asyncio():
    async def scenario() -> None:
        task = asyncio.current_task()
        assert task is not None
        await task

    run = faultloop.run(scenario)
    assert run.status is Status.CRASHED
    assert "Task cannot await on itself" in run.trace.outcome.message


@since_312
def test_an_eager_task_runs_until_its_first_wait_inside_its_parent():
    async def scenario() -> Log:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        log: Log = []

        async def child() -> None:
            log.append("begun")
            await asyncio.sleep(0)
            log.append("ended")

        task = asyncio.create_task(child())
        log.append("made")
        await task
        return [*log, type(task).__module__]

    assert value(scenario) == ["begun", "made", "ended", "faultloop.drivers.asyncio.handles"]


def test_tasks_of_a_foreign_factory_run():
    async def scenario() -> list[str]:
        made: list[str] = []

        def factory(loop: Any, coro: Any, **more: Any) -> Any:
            made.append(coro.__qualname__.rpartition(".")[2])
            return asyncio.Task(coro, loop=loop, **more)

        asyncio.get_running_loop().set_task_factory(factory)

        async def child() -> None:
            await asyncio.sleep(1)

        await asyncio.create_task(child(), name="named")
        await asyncio.create_task(child())
        return made

    run = passed(scenario)
    assert run.value == ["child", "child"]
    assert [task.path for task in run.trace.tasks][1:] == [
        f"{run.trace.tasks[0].path}/named",
        f"{run.trace.tasks[0].path}/child",
    ]


def test_context_variables_are_each_tasks_own():
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def scenario() -> list[str]:
        async def child(text: str) -> str:
            variable.set(text)
            await asyncio.sleep(1)
            return variable.get()

        return [*await asyncio.gather(child("a"), child("b")), variable.get()]

    assert value(scenario) == ["a", "b", "unset"]
