"""Every fault at every kind of await: what the program sees of it.

Each case is one kind of await that another task, the waker, ends after one second of virtual time. A fault is planned
at the victim's first wait, and the victim says what it saw: the value, or the exception, where raised, and when.
"""

import asyncio
import sys
from contextlib import suppress
from typing import Any

import anyio
import pytest

import faultloop
from faultloop import Status
from tests.drivers.awaits import (
    CASES,
    Scene,
    future,
    hit,
    possible,
    raised_in,
    scene_of,
    timeout,
    wait_for,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_without_a_fault_the_value_comes_after_one_second(case: Any):
    scene, scenario = scene_of(case)
    faultloop.run(scenario).raise_if_failed()
    assert (scene.seen, scene.at, scene.error) == ("value", 1.0, None)


@pytest.mark.parametrize(("case", "phase"), possible(CASES))
def test_cancel_raises_at_the_await(case: Any, phase: str):
    scene, run = hit(case, "cancel", phase)
    if case is wait_for and phase != "parked" and sys.version_info < (3, 12):
        assert scene.seen == "value"  # asyncio's own fault: wait_for swallowed a cancellation that met a result
        assert [finding.check for finding in run.trace.outcome.findings] == ["swallowed_cancel"]
        return
    assert isinstance(scene.error, asyncio.CancelledError)
    assert case.__name__ in raised_in(scene.error)
    assert scene.cancelling == 1
    assert scene.at == (0.0 if phase == "parked" else 1.0)


@pytest.mark.parametrize(("case", "phase"), possible(CASES))
def test_fail_raises_the_error_at_the_await_and_nothing_of_a_cancellation_stays(case: Any, phase: str):
    scene, _ = hit(case, "fail:ConnectionResetError", phase)
    error = scene.error
    if isinstance(error, BaseExceptionGroup):  # what the body of a task group raises comes out in a group
        (error,) = error.exceptions
    assert isinstance(error, ConnectionResetError)
    assert error.__notes__ == ["injected by faultloop"]
    assert error.__cause__ is None
    assert case.__name__ in raised_in(error)
    assert scene.cancelling == 0
    assert scene.at == (0.0 if phase == "parked" else 1.0)


@pytest.mark.parametrize(("case", "phase"), possible(CASES, ("parked", "woken")))
def test_delay_brings_the_value_late(case: Any, phase: str):
    scene, _ = hit(case, "delay:2s", phase)
    assert (scene.seen, scene.error, scene.at) == ("value", None, 3.0)


@pytest.mark.parametrize("phase", ["parked", "woken"])
@pytest.mark.parametrize("case", [timeout, wait_for], ids=lambda case: case.__name__)
def test_expire_lets_the_deadline_win(case: Any, phase: str):
    scene, scenario = scene_of(case)
    run = faultloop.run(scenario, faults=[f"expire victim @ {case.__name__} {phase}"])
    if case is wait_for and sys.version_info < (3, 12):  # a result that is there wins, whenever it is looked at
        assert "lets a result win" in run.not_reached[0].reason
        return
    assert isinstance(scene.error, TimeoutError)
    assert scene.at == 5.0


def test_expire_at_what_wait_for_waits_for_loses_the_result():
    """On 3.11 that is a task of its own, from 3.12 on it is the same one."""

    async def slow() -> str:
        await asyncio.sleep(1)
        return "value"

    async def scenario() -> str:
        try:
            return await asyncio.wait_for(slow(), 5)
        except TimeoutError:
            return f"timed out at {asyncio.get_running_loop().time()}"

    run = faultloop.run(scenario, faults=["expire * @ slow>sleep woken"])
    assert (run.value, run.not_reached) == ("timed out at 5.0", ())


def test_expire_of_an_anyio_scope_cancels_the_await_after_the_one_that_was_woken():
    """anyio passes over a task whose waiter is done: that wake-up wins, and the next await is cancelled."""

    async def scenario() -> tuple[list[str], float]:
        happened, seen = anyio.Event(), list[str]()
        asyncio.get_running_loop().call_later(1, happened.set)
        with anyio.move_on_after(5):
            await happened.wait()
            seen.append("woken")
            await anyio.sleep(1)
            seen.append("slept")
        return seen, asyncio.get_running_loop().time()

    run = faultloop.run(scenario, faults=["expire scenario @ Event.wait woken"])
    assert (run.value, run.not_reached) == ((["woken"], 5.0), ())


@pytest.mark.parametrize("phase", ["parked", "woken"])
def test_expire_without_a_deadline_says_so(phase: str):
    scene, scenario = scene_of(future)
    run = faultloop.run(scenario, faults=[f"expire victim @ future {phase}"])
    assert "no deadline covers" in run.not_reached[0].reason
    assert scene.seen == "value"


def test_a_deadline_that_is_gone_meanwhile_holds_nothing_back():
    """The victim's timeout is pushed away while the wake-up is held: it goes on as soon as that is known."""

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(5) as limit:
            loop.call_later(2, limit.reschedule, None)
            await asyncio.sleep(1)
        return loop.time()

    assert faultloop.run(scenario, faults=["expire * @ sleep woken"]).value == 2.0


async def bare(scene: Scene) -> Any:
    await asyncio.sleep(0)
    return "value"


def test_a_bare_yield_can_be_cancelled_and_delayed_but_not_failed():
    scene, _ = hit(bare, "cancel", "parked")
    assert isinstance(scene.error, asyncio.CancelledError)
    scene, _ = hit(bare, "cancel", "woken")
    assert isinstance(scene.error, asyncio.CancelledError)
    scene, _ = hit(bare, "delay:2s", "parked")
    assert (scene.seen, scene.at) == ("value", 2.0)
    scene, scenario = scene_of(bare)
    run = faultloop.run(scenario, faults=["fail:OSError victim @ bare"])
    assert "bare yield" in run.not_reached[0].reason
    assert scene.seen == "value"


def test_fail_at_woken_is_the_lost_reply():
    """The effect has happened: the item is gone from the queue, and the caller hears an error."""

    async def scenario() -> int:
        queue: asyncio.Queue[str] = asyncio.Queue()

        async def taker() -> None:
            with suppress(OSError):
                await queue.get()

        task = asyncio.create_task(taker(), name="taker")
        await asyncio.sleep(0)
        queue.put_nowait("item")
        await task
        return queue.qsize()

    lost = faultloop.run(scenario, faults=["fail:OSError taker @ Queue.get woken"])
    assert lost.not_reached == ()
    assert lost.value == 1  # Queue.get takes the item only after the await: nothing is lost there


def test_fail_wins_over_a_waiter_that_was_done_already():
    """Racing a step between the wake-up and the resumption: the waiter cannot be cancelled any more."""

    async def scenario() -> str:
        waiter = asyncio.get_running_loop().create_future()

        async def first() -> None:
            await asyncio.sleep(1)
            waiter.set_result("value")

        async def second() -> None:
            await asyncio.sleep(1)

        async def victim() -> str:
            me = asyncio.current_task()
            assert me is not None
            try:
                return str(await waiter)
            except OSError:
                return f"OSError, cancelling {me.cancelling()}"

        async with asyncio.TaskGroup() as group:
            group.create_task(first(), name="first")
            group.create_task(second(), name="second")
            task = group.create_task(victim(), name="victim")
        return task.result()

    run = faultloop.run(scenario, faults=["fail:OSError victim @ victim racing second @ sleep"])
    assert run.value == "OSError, cancelling 0"


def test_fail_comes_although_what_is_awaited_resists_its_cancellation():
    async def scenario() -> str:
        async def stubborn() -> str:
            try:
                await asyncio.sleep(9)
            except asyncio.CancelledError:
                await asyncio.sleep(1)
            return "value"

        me = asyncio.current_task()
        assert me is not None
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        try:
            return await task
        except OSError:
            return f"OSError at {asyncio.get_running_loop().time()}, cancelling {me.cancelling()}"

    assert (
        faultloop.run(scenario, faults=["fail:OSError scenario @ scenario>Task"]).value
        == "OSError at 1.0, cancelling 0"
    )


def test_a_cancellation_of_the_programs_own_comes_before_a_fail():
    async def scenario() -> str:
        async def victim() -> None:
            await asyncio.get_running_loop().create_future()

        async def canceller() -> None:
            await asyncio.sleep(0)
            victims[0].cancel()

        victims = [asyncio.create_task(victim(), name="victim")]
        await asyncio.wait([*victims, asyncio.create_task(canceller(), name="canceller")])
        return "cancelled" if victims[0].cancelled() else repr(victims[0].exception())

    run = faultloop.run(scenario, faults=["fail:OSError victim @ victim racing canceller @ sleep"])
    assert run.value in ("cancelled", "OSError('injected by faultloop')")


def test_two_faults_hit_one_task_one_after_the_other():
    async def scenario() -> list[str]:
        seen = []
        for _ in range(2):
            try:
                await asyncio.sleep(1)
            except (OSError, ValueError) as error:
                seen.append(type(error).__name__)
        return seen

    faults = ["fail:OSError scenario @ sleep #1", "fail:ValueError scenario @ sleep #2 woken"]
    run = faultloop.run(scenario, faults=faults)
    assert (run.value, run.virtual_time) == (["OSError", "ValueError"], 1.0)


def test_an_injected_error_of_the_programs_own_is_found_by_its_module():
    async def scenario() -> str:
        try:
            await asyncio.sleep(1)
        except anyio.ClosedResourceError:
            return "closed"
        return "slept"

    assert faultloop.run(scenario, faults=["fail:anyio.ClosedResourceError scenario @ sleep"]).value == "closed"


@pytest.mark.parametrize("name", ["NoSuchError", "StopIteration", "KeyboardInterrupt", "UnicodeDecodeError"])
def test_what_no_await_can_raise_is_refused_before_the_run(name: str):
    async def scenario() -> None:
        raise AssertionError("never run")

    with pytest.raises(faultloop.FaultloopError, match=r"FL50"):
        faultloop.run(scenario, faults=[f"fail:{name} scenario @ sleep"])


def test_an_error_of_the_programs_own_that_is_none_is_refused_when_its_time_comes():
    """The program may import it on the way, so nobody can know before."""

    async def scenario() -> None:
        await asyncio.sleep(1)

    with pytest.raises(faultloop.FaultloopError, match=r"os\.path.*FL504"):
        faultloop.run(scenario, faults=["fail:os.path scenario @ sleep"])
    faultloop.run(scenario).raise_if_failed()


async def group_of_two() -> list[str]:
    """Two children of an anyio group; says which of them got to their end, and whether the host did."""
    ended: list[str] = []

    async def child(name: str) -> None:
        await anyio.sleep(1)
        ended.append(name)

    async with anyio.create_task_group() as group:
        group.start_soon(child, "a", name="a")
        group.start_soon(child, "b", name="b")
    ended.append("host")
    return ended


def test_a_child_of_an_anyio_group_is_cancelled_alone():
    run = faultloop.run(group_of_two, faults=["cancel a @ sleep"])
    assert (run.status, run.value, run.not_reached) == (Status.PASSED, ["b", "host"], ())


def test_cancel_via_scope_cancels_the_whole_group():
    run = faultloop.run(group_of_two, faults=["cancel:scope a @ sleep"])
    assert (run.status, run.value, run.not_reached) == (Status.PASSED, ["host"], ())


async def host_at_work() -> list[str]:
    """The host of a group is still inside its block while the child waits."""
    ended: list[str] = []

    async def child() -> None:
        await anyio.sleep(1)

    async with anyio.create_task_group() as group:
        group.start_soon(child, name="child")
        await anyio.sleep(2)
        ended.append("block")
    ended.append("behind it")
    return ended


def test_without_task_handles_a_child_is_cancelled_with_its_group_while_the_host_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("faultloop.drivers.asyncio.faults.own_scope", lambda task: None)
    run = faultloop.run(group_of_two, faults=["cancel a @ sleep"])
    assert (run.value, run.not_reached) == (["host"], ())


def test_without_task_handles_a_host_at_work_is_not_thrown_out_of_its_block(monkeypatch: pytest.MonkeyPatch):
    """A private group is never cancelled from outside: its host cannot leave the block without a word."""
    monkeypatch.setattr("faultloop.drivers.asyncio.faults.own_scope", lambda task: None)
    run = faultloop.run(host_at_work, faults=["cancel child @ sleep"])
    assert run.value == ["block", "behind it"]
    assert "ask for cancel:scope" in run.not_reached[0].reason
    by_name = faultloop.run(host_at_work, faults=["cancel:scope child @ sleep"])
    assert (by_name.value, by_name.not_reached) == (["behind it"], ())


def test_cancel_via_task_takes_the_group_along():
    """anyio does not expect a bare cancellation of a child; so `auto` goes through the child's own scope."""
    run = faultloop.run(group_of_two, faults=["cancel:task a @ sleep"])
    assert (run.value, run.not_reached) == (["host"], ())


def test_cancel_via_scope_of_a_task_without_one_says_so():
    _, scenario = scene_of(future)
    run = faultloop.run(scenario, faults=["cancel:scope victim @ future"])
    assert "no cancel scope" in run.not_reached[0].reason
