"""asyncio's loop: running it, its timers and callbacks, and runs inside other things have a defined answer on ours."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
import trio

import faultloop
from faultloop import Status
from faultloop.drivers.asyncio.loop import Loop
from tests.drivers.support import complete, passed, value

Log = list[Any]


# Running


def test_runner_takes_our_loop():
    with asyncio.Runner(loop_factory=faultloop.new_event_loop) as runner:
        assert runner.run(asyncio.sleep(3600, "a")) == "a"
        assert runner.get_loop().time() == 3600
        assert runner.run(asyncio.sleep(1, "b")) == "b"


def test_debug_mode_gives_asyncios_warnings_and_the_same_run():
    async def main() -> Log:
        loop = asyncio.get_running_loop()
        log: Log = []
        loop.call_soon(log.append, "soon")
        loop.call_later(1, log.append, "later")
        with pytest.raises(TypeError, match="coroutines cannot be used"):
            loop.call_soon(asyncio.sleep, 1)
        await asyncio.wait_for(asyncio.gather(asyncio.sleep(1), asyncio.sleep(2)), 5)
        return [*log, loop.time()]

    loop = Loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 1e9
    try:
        assert loop.run_until_complete(main()) == ["soon", "later", 2.0]
    finally:
        loop.close()


def test_stop_ends_after_the_turn_as_in_asyncio():
    loop = Loop()
    log: Log = []
    loop.call_soon(log.append, 1)
    loop.call_soon(loop.stop)
    loop.call_soon(log.append, 2)
    loop.call_soon(lambda: loop.call_soon(log.append, 3))
    loop.run_forever()
    assert log == [1, 2]
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert log == [1, 2, 3]
    loop.close()


def test_a_program_that_stops_the_loop_itself_is_told():
    async def scenario() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(1)

    run = faultloop.run(scenario)
    assert run.status is Status.DEADLOCKED
    assert "the program stopped the loop" in run.trace.outcome.message


def test_a_closed_loop_refuses_work():
    loop = Loop()
    loop.close()
    loop.close()
    coroutine = asyncio.sleep(0)
    for call in (
        lambda: loop.call_soon(print),
        lambda: loop.call_later(1, print),
        lambda: loop.call_at(1, print),
        lambda: loop.call_soon_threadsafe(print),
        lambda: loop.run_in_executor(None, print),
        lambda: loop.create_task(coroutine),
        loop.run_forever,
    ):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            call()
    coroutine.close()


def test_a_running_loop_is_not_closed():
    async def main() -> None:
        with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
            asyncio.get_running_loop().close()

    complete(main())


def test_an_exception_in_a_callback_is_reported_and_the_run_goes_on():
    async def scenario() -> str:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)
        return "went on"

    run = faultloop.run(scenario)
    assert run.value == "went on"
    assert run.status is Status.VIOLATED
    assert "ZeroDivisionError" in run.trace.outcome.message


def test_the_programs_own_exception_handler_is_called():
    async def scenario() -> Log:
        seen: Log = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: seen.append(type(context["exception"]).__name__))
        loop.call_later(1, lambda: 1 / 0)
        await asyncio.sleep(2)
        return seen

    assert faultloop.run(scenario).value == ["ZeroDivisionError"]


def test_system_exit_in_a_task_ends_the_run_as_itself():
    async def scenario() -> None:
        async def child() -> None:
            raise SystemExit(3)

        await asyncio.create_task(child())

    run = faultloop.run(scenario)
    assert isinstance(run.exception, SystemExit)
    assert run.status is Status.CRASHED


def test_keyboard_interrupt_in_a_task_reaches_the_caller():
    async def scenario() -> None:
        async def child() -> None:
            raise KeyboardInterrupt

        await asyncio.create_task(child())

    with pytest.raises(KeyboardInterrupt):
        faultloop.run(scenario)
    assert asyncio._get_running_loop() is None


def test_an_async_generator_is_closed_when_it_is_let_go():
    async def scenario() -> Log:
        log: Log = []

        async def numbers() -> AsyncIterator[int]:
            try:
                for number in range(9):
                    await asyncio.sleep(1)
                    yield number
            finally:
                await asyncio.sleep(1)
                log.append("closed")

        stream = numbers()
        async for number in stream:
            log.append(number)
            if number == 1:
                break
        await stream.aclose()  # type: ignore[attr-defined]
        return [*log, asyncio.get_running_loop().time()]

    assert value(scenario) == [0, 1, "closed", 3.0]


def test_an_async_generator_that_nobody_closed_is_noted():
    async def numbers() -> AsyncIterator[int]:
        yield 1
        yield 2

    kept: list[Any] = []

    async def scenario() -> None:
        stream = numbers()
        kept.append(stream)
        await anext(stream)

    run = passed(scenario)
    assert [finding.check for finding in run.trace.outcome.findings] == ["open_generators"]
    assert "numbers" in run.trace.outcome.findings[0].message


# Order of timers and callbacks


def order_of_what_is_due_now(loop: Any) -> list[str]:
    log: list[str] = []

    def schedule() -> None:
        loop.call_later(0, log.append, "later 0")
        loop.call_soon(log.append, "soon")
        loop.call_at(loop.time() - 5, log.append, "at past")
        loop.call_soon(lambda: loop.call_soon(log.append, "soon after"))
        loop.call_soon(lambda: loop.call_later(0, loop.stop))

    loop.call_soon(schedule)
    try:
        loop.run_forever()
    finally:
        loop.close()
    return log


def test_a_timer_that_is_due_now_comes_as_late_as_on_asyncio():
    ours = order_of_what_is_due_now(Loop())
    assert ours == ["soon", "at past", "later 0", "soon after"]
    assert ours == order_of_what_is_due_now(asyncio.SelectorEventLoop())


@pytest.mark.parametrize("name", ["call_later", "call_at"])
def test_a_timer_refuses_none(name: str):
    loop = Loop()
    with pytest.raises(TypeError, match="None"):
        getattr(loop, name)(None, print)
    loop.close()


def test_a_cancelled_handle_does_not_run():
    async def scenario() -> Log:
        loop = asyncio.get_running_loop()
        log: Log = []
        handles = [loop.call_soon(log.append, 1), loop.call_later(0, log.append, 2), loop.call_later(1, log.append, 3)]
        for handle in handles:
            handle.cancel()
            handle.cancel()
        assert all(handle.cancelled() for handle in handles)
        await asyncio.sleep(2)
        return log

    assert value(scenario) == []


# Runs inside other things


async def _ten_seconds() -> float:
    await asyncio.sleep(10)
    return asyncio.get_running_loop().time()


def test_a_run_inside_asyncio_leaves_the_outer_loop_alone():
    async def outer() -> float:
        loop = asyncio.get_running_loop()
        result: float = value(_ten_seconds)
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0)
        return result

    assert asyncio.run(outer()) == 10


def test_a_run_inside_a_run_leaves_the_outer_one_alone():
    async def outer() -> list[float]:
        await asyncio.sleep(1)
        inner = value(_ten_seconds)
        await asyncio.sleep(1)
        return [inner, asyncio.get_running_loop().time()]

    assert value(outer) == [10, 2]


def test_a_run_inside_trio_leaves_trio_alone():
    async def outer() -> float:
        result: float = value(_ten_seconds)
        await trio.lowlevel.checkpoint()
        return result

    assert trio.run(outer) == 10


def test_a_run_in_a_thread_is_the_same_run():
    digests: list[str] = []

    def target() -> None:
        digests.append(passed(_ten_seconds).trace.digest)

    target()
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    assert len(digests) == 2
    assert len(set(digests)) == 1


def test_anyio_runs_on_our_loop():
    async def scenario() -> float:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 4)
            with anyio.move_on_after(2) as scope:
                await anyio.sleep(9)
            assert scope.cancelled_caught
        return anyio.current_time()

    assert value(scenario) == 4
