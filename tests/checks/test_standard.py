"""The standard checks: each fires on the program it is for, and each can be only noted or switched off."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from faultloop import Checks, Limits, Run, Status, run
from faultloop.checks.standard import clean, describe, leaves
from faultloop.errors import UsageError

Scenario = Callable[[], Coroutine[Any, Any, object]]


async def nobody_looks() -> None:
    async def breaks() -> None:
        raise OSError("disk full")

    asyncio.create_task(breaks())  # noqa: RUF006  that nobody keeps it is the point
    await asyncio.sleep(1)


async def a_callback_raises() -> None:
    def breaks() -> None:
        raise OSError("disk full")

    asyncio.get_running_loop().call_soon(breaks)
    await asyncio.sleep(1)


async def leaves_a_task() -> None:
    async def goes_on() -> None:
        await asyncio.sleep(1_000)

    asyncio.create_task(goes_on(), name="reaper")  # noqa: RUF006
    await asyncio.sleep(0)


async def swallows() -> None:
    async def deaf() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(10)

    task = asyncio.create_task(deaf(), name="deaf")
    await asyncio.sleep(1)
    task.cancel()
    await task


async def leaves_a_generator_open() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(10):
            yield number

    async for _ in numbers():
        break


async def waits_for_ever() -> None:
    await asyncio.Event().wait()


async def spins_for_ever() -> None:
    while True:  # noqa: ASYNC110  the spin is the point
        await asyncio.sleep(0)


CASES: dict[str, tuple[Scenario, str]] = {
    "unretrieved": (nobody_looks, "disk full"),
    "leaked_tasks": (leaves_a_task, "1 task left alive when the scenario ended: leaves_a_task/reaper"),
    "swallowed_cancel": (swallows, "swallows/deaf was cancelled and ended as if it had not been"),
    "open_generators": (leaves_a_generator_open, "the async generator numbers was left open"),
}
HALTS: dict[str, tuple[Scenario, Status]] = {
    "deadlock": (waits_for_ever, Status.DEADLOCKED),
    "livelock": (spins_for_ever, Status.LIVELOCKED),
}
QUICK = Limits(spin_turns=20, livelock_turns=50)


def checked(scenario: Scenario, **weights: Any) -> Run:
    return run(scenario, checks=Checks(**weights), limits=QUICK)


@pytest.mark.parametrize("check", CASES)
def test_a_check_that_counts_makes_a_violation(check: str):
    scenario, words = CASES[check]
    outcome = checked(scenario, **{check: "violation"}).trace.outcome
    assert outcome.status is Status.VIOLATED
    assert words in outcome.message
    assert [(f.check, f.counts) for f in outcome.findings if f.check == check] == [(check, True)]


@pytest.mark.parametrize("check", CASES)
def test_a_check_that_is_a_note_is_told_and_does_not_count(check: str):
    scenario, words = CASES[check]
    outcome = checked(scenario, **{check: "note"}).trace.outcome
    assert outcome.status is Status.PASSED
    (finding,) = outcome.findings
    assert (finding.check, finding.counts) == (check, False)
    assert words in finding.message


@pytest.mark.parametrize("check", CASES)
def test_a_check_that_is_off_says_nothing(check: str):
    scenario, _ = CASES[check]
    outcome = checked(scenario, **{check: "off"}).trace.outcome
    assert (outcome.status, outcome.findings) == (Status.PASSED, ())


@pytest.mark.parametrize("check", HALTS)
def test_a_halt_is_a_failure_unless_it_is_only_noted(check: str):
    scenario, status = HALTS[check]
    assert checked(scenario, **{check: "violation"}).status is status
    noted = checked(scenario, **{check: "note"})
    assert noted.status is Status.PASSED
    assert noted.trace.outcome.message.startswith(check)


def test_a_callback_that_raises_is_an_error_nobody_looked_at():
    outcome = checked(a_callback_raises).trace.outcome
    assert outcome.status is Status.VIOLATED
    assert "Exception in callback" in outcome.message
    assert "disk full" in outcome.message


def test_an_error_that_somebody_looked_at_is_no_finding():
    async def looks() -> None:
        async def breaks() -> None:
            raise OSError

        assert len(await asyncio.gather(breaks(), return_exceptions=True)) == 1

    assert checked(looks).trace.outcome.findings == ()


def test_a_task_that_lets_its_cancellation_through_swallowed_nothing():
    async def polite() -> None:
        task = asyncio.create_task(asyncio.sleep(10))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert checked(polite, swallowed_cancel="violation").status is Status.PASSED


def test_a_timeout_that_expires_swallowed_nothing():
    async def in_time() -> None:
        async def worker() -> None:
            try:
                async with asyncio.timeout(1):
                    await asyncio.sleep(10)
            except TimeoutError:
                pass

        await asyncio.create_task(worker())

    assert checked(in_time, swallowed_cancel="violation").status is Status.PASSED


def test_a_task_group_that_cancels_its_own_host_left_no_request_behind():
    """Up to Python 3.12 it does not take back what it asked of a host that was already waiting for its children."""

    async def catches() -> None:
        async def breaks() -> None:
            await asyncio.sleep(1)
            raise OSError("disk full")

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(breaks())
        except* OSError:
            pass

    assert run(catches).trace.outcome.findings == ()


@pytest.mark.parametrize("waits_in_the_block", [False, True])
def test_a_cancellation_swallowed_after_a_group_had_failed_is_found(waits_in_the_block: bool):
    async def deaf() -> None:
        async def breaks() -> None:
            await asyncio.sleep(1)
            raise OSError("disk full")

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(breaks())
                if waits_in_the_block:
                    await asyncio.sleep(10)
        except* OSError:
            pass
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(10)

    async def cancels() -> None:
        task = asyncio.create_task(deaf(), name="deaf")
        await asyncio.sleep(5)
        task.cancel()
        await task

    assert [finding.task for finding in run(cancels).trace.outcome.findings] == ["cancels/deaf"]


async def fails_in_a_generator() -> None:
    @asynccontextmanager
    async def session() -> AsyncIterator[int]:
        await asyncio.sleep(1)
        yield 1

    async with session():
        pass


def test_a_generator_that_has_ended_is_not_open_though_a_traceback_keeps_it():
    result = run(fails_in_a_generator, faults=["cancel fails_in_a_generator @ sleep"])
    assert (result.status, result.trace.outcome.findings) == (Status.PROPAGATED, ())


def test_a_connection_that_asyncio_is_setting_up_is_no_task_of_the_programs():
    async def connects() -> None:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.close()

    left = [
        run(connects, faults=[f"cancel connects @ open_connection #{nth} woken"]).trace.outcome.findings
        for nth in (1, 2)
    ]
    assert left == [(), ()]


def test_a_generator_that_was_closed_or_used_up_is_no_finding():
    async def tidy() -> None:
        async def numbers() -> AsyncIterator[int]:
            for number in range(3):
                yield number

        assert [number async for number in numbers()] == [0, 1, 2]

    assert checked(tidy, open_generators="violation").status is Status.PASSED


@pytest.mark.parametrize("check", [*CASES, *HALTS])
def test_a_weight_that_does_not_exist_is_refused_by_name(check: str):
    with pytest.raises(UsageError, match=f"check {check} is .* not 'error'") as caught:
        checked(leaves_a_task, **{check: "error"})
    assert caught.value.code == "FL505"


# Words


def test_messages_say_the_same_in_every_run():
    assert clean("Task-12 holds <Pool at 0x7f00dead>") == "a task holds <Pool at 0x…>"
    assert clean("by cancel scope 7f00dead") == "by cancel scope …"


def test_a_message_is_cut_at_its_limit():
    assert len(clean("x" * 10_000)) == 500


def test_a_group_of_one_is_told_as_its_only_error():
    one = ExceptionGroup("unhandled", [ValueError("no")])
    assert describe(one) == "ValueError: no"
    assert [str(leaf) for leaf in leaves(ExceptionGroup("x", [one, OSError("a")]))] == ["no", "a"]


def test_an_error_whose_message_cannot_be_made_is_told_all_the_same():
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert describe(Mute()) == "Mute: (its message cannot be made)"
