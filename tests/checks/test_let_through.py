"""An error that is the fault itself, let through, is no failure; one of the program's own is."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from faultloop import Run, Status, run
from faultloop.checks.standard import is_fault_itself
from faultloop.drivers.facts import Facts
from faultloop.model.address import parse_fault

Scenario = Callable[[], Coroutine[Any, Any, object]]


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
