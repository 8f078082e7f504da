"""The standard checks: each fires on the program it is for, and each can be only noted or switched off."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from faultloop import Checks, Limits, Run, Status, run
from faultloop.checks.standard import clean, describe, is_fault_itself, leaves
from faultloop.drivers.facts import Facts
from faultloop.errors import UsageError
from faultloop.model.address import parse_fault

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
        checked(one_sleep, **{check: "error"})
    assert caught.value.code == "FL505"


# An error at the top that is the fault itself, let through


def struck(scenario: Scenario, fault: str) -> Run:
    result = run(scenario, faults=[fault])
    assert result.not_reached == ()
    return result


async def one_sleep() -> None:
    await asyncio.sleep(1)


async def in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(one_sleep(), name="child")


async def in_nested_groups() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(in_a_group(), name="inner")


async def raises_from() -> None:
    try:
        await asyncio.sleep(1)
    except OSError as error:
        raise RuntimeError("cannot go on") from error


async def raises_another() -> None:
    try:
        await asyncio.sleep(1)
    except OSError:
        raise RuntimeError("cannot go on") from None


async def with_a_deadline() -> None:
    async with asyncio.timeout(30):
        await asyncio.sleep(1)


async def with_a_deadline_by_hand() -> None:
    task = asyncio.current_task()
    assert task is not None
    timer = asyncio.get_running_loop().call_later(30, task.cancel)
    try:
        await asyncio.sleep(1)
    finally:
        timer.cancel()


@pytest.mark.parametrize(
    ("scenario", "fault"),
    [
        (one_sleep, "cancel one_sleep @ sleep"),
        (one_sleep, "fail:OSError one_sleep @ sleep"),
        (one_sleep, "fail:OSError one_sleep @ sleep woken"),
        (with_a_deadline, "expire with_a_deadline @ sleep woken"),
        (with_a_deadline_by_hand, "expire with_a_deadline_by_hand @ sleep woken"),
        (in_a_group, "fail:OSError child @ sleep"),
        (in_nested_groups, "fail:OSError child @ sleep"),
        (raises_from, "fail:OSError raises_from @ sleep"),
    ],
)
def test_a_fault_that_was_let_through_is_no_failure(scenario: Scenario, fault: str):
    result = struck(scenario, fault)
    assert result.status is Status.PROPAGATED
    assert result.exception is not None
    result.raise_if_failed()


def test_an_error_raised_in_place_of_the_fault_is_the_programs_own():
    result = struck(raises_another, "fail:OSError raises_another @ sleep")
    assert (result.status, result.trace.outcome.message) == (Status.CRASHED, "RuntimeError: cannot go on")


def test_an_assertion_that_a_fault_brought_about_is_a_violation():
    async def claims() -> None:
        done = False
        try:
            await asyncio.sleep(1)
            done = True
        finally:
            if not done:
                raise AssertionError("half done")

    result = struck(claims, "cancel claims @ sleep")
    assert (result.status, result.trace.outcome.message) == (Status.VIOLATED, "AssertionError: half done")


@pytest.mark.parametrize(
    ("forgotten", "fault"),
    [
        (one_sleep, "fail:OSError forgotten @ sleep"),
        (in_a_group, "fail:OSError child @ sleep"),
        (raises_from, "fail:OSError forgotten @ sleep"),
        (with_a_deadline, "expire forgotten @ sleep woken"),
    ],
)
def test_a_fault_in_a_task_nobody_waits_for_is_not_an_error_nobody_looked_at(forgotten: Scenario, fault: str):
    async def forgets() -> None:
        asyncio.create_task(forgotten(), name="forgotten")  # noqa: RUF006
        await asyncio.sleep(60)

    assert struck(forgets, fault).status is Status.PASSED


def test_an_error_of_the_programs_own_in_a_task_nobody_waits_for_counts_beside_a_fault():
    async def forgets() -> None:
        asyncio.create_task(raises_another(), name="forgotten")  # noqa: RUF006
        await asyncio.sleep(60)

    result = struck(forgets, "fail:OSError forgotten @ sleep")
    assert result.status is Status.VIOLATED
    assert "RuntimeError: cannot go on" in result.trace.outcome.message


def test_a_callback_that_asks_a_cancelled_task_for_its_error_let_the_cancellation_through():
    """What asyncio's own streams do up to Python 3.11 when the task of a connection is cancelled."""

    async def asks() -> None:
        task = asyncio.create_task(one_sleep(), name="asked")
        task.add_done_callback(lambda ended: ended.exception())
        await asyncio.wait([task])

    assert struck(asks, "cancel asked @ sleep").status is Status.PASSED


def test_a_group_is_the_fault_itself_only_if_all_of_it_is():
    injected = OSError("injected")
    fault = parse_fault("fail:OSError worker @ sleep")
    facts = Facts(has_landed=True, injected=(injected,))
    assert is_fault_itself(ExceptionGroup("both", [injected, ExceptionGroup("inner", [injected])]), facts, (fault,))
    assert not is_fault_itself(ExceptionGroup("both", [injected, ValueError()]), facts, (fault,))


def test_nothing_is_the_fault_itself_before_it_landed():
    fault = parse_fault("cancel worker @ sleep")
    assert not is_fault_itself(asyncio.CancelledError(), Facts(), (fault,))
    assert is_fault_itself(asyncio.CancelledError(), Facts(has_landed=True), (fault,))


def test_a_cancellation_is_not_the_fault_itself_when_something_else_was_injected():
    fault = parse_fault("fail:OSError worker @ sleep")
    facts = Facts(has_landed=True, injected=(OSError(),))
    assert not is_fault_itself(asyncio.CancelledError(), facts, (fault,))


def test_a_chain_of_causes_that_never_ends_is_given_up():
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    facts = Facts(has_landed=True, injected=(OSError(),))
    assert not is_fault_itself(first, facts, (parse_fault("fail:OSError worker @ sleep"),))


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


class Unreachable(Exception):
    """What a library calls its own time-outs."""


class ConnectTimeout(Exception):
    """A plainer name for them."""


def translated(how: str) -> Scenario:
    """A client whose deadline expires, and what it makes of that."""

    async def scenario() -> None:
        async def client() -> None:
            try:
                async with asyncio.timeout(5):
                    await asyncio.sleep(1)
            except TimeoutError as error:
                if how == "from it":
                    raise Unreachable from error
                if how == "from None":
                    raise Unreachable from None
                if how == "by name":
                    raise ConnectTimeout  # noqa: B904 - as many libraries do
                if how == "by mistake":
                    raise Unreachable  # noqa: B904 - that is the mistake
                raise AssertionError("five seconds are enough") from error

        await asyncio.create_task(client(), name="client")

    return scenario


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("from it", Status.PROPAGATED),
        ("from None", Status.PROPAGATED),
        ("by name", Status.PROPAGATED),
        ("by mistake", Status.CRASHED),
        ("asserted", Status.VIOLATED),
    ],
)
def test_a_deadline_that_comes_out_under_another_name_is_let_through_if_that_was_on_purpose(how: str, status: Status):
    ran = run(translated(how), faults=["expire client @ client>sleep #1 woken"])
    assert ran.not_reached == ()
    assert ran.status is status
