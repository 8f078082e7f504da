"""What faults come to on trio, where trio differs from asyncio, and what is said where they cannot be had."""

import contextlib
import functools
import itertools
import random
import subprocess
import sys
from typing import Any

import pytest
import trio
import trio.lowlevel
from hypothesis import given, settings
from hypothesis import strategies as st

import faultloop
from faultloop import Status, world
from faultloop.drivers.trio import faults, private
from faultloop.errors import UsageError
from faultloop.report.timeline import timeline
from tests.drivers.conformance.kit import busy


def on_trio(scenario: Any, *faults: str, **how: Any) -> faultloop.Run:
    return faultloop.run(scenario, driver="trio", faults=faults, **how)


def test_woken_is_refused_and_the_phases_that_there_are_named():
    async def scenario() -> None:
        await trio.sleep(1)

    with pytest.raises(UsageError, match=r"no phase woken.*There are parked and racing.*FL503"):
        on_trio(scenario, "cancel scenario @ sleep #1 woken")


def test_a_sweep_on_trio_tries_no_woken():
    async def scenario() -> None:
        with trio.move_on_after(5):
            await trio.sleep(1)

    found = faultloop.explore(scenario, driver="trio", faults=["cancel", "expire", "delay:1s", "fail:OSError"])
    assert found.tried == 4
    assert {failure.fault for failure in found.failures} == set()


def test_cancelling_a_task_cancels_its_nursery_once_the_host_waits_for_the_children():
    cancelled: list[str] = []

    async def child(name: str) -> None:
        try:
            await trio.sleep(1)
        except trio.Cancelled:
            cancelled.append(name)
            raise

    async def scenario() -> str:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, "a")
            nursery.start_soon(child, "b")
        return "went on"

    run = on_trio(scenario, "cancel child @ sleep #1")
    assert (run.status, run.value) == (Status.PASSED, "went on")
    assert cancelled == ["a", "b"]


def test_a_nursery_whose_host_is_in_its_block_is_cancelled_by_name_only():
    async def scenario() -> str:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 2)
            await trio.sleep(1)
            return "the end of the block"
        return "nothing"

    run = on_trio(scenario, "cancel scenario/sleep @ * #1")
    assert run.value == "the end of the block"
    assert "in the middle of its own block: ask for cancel:scope" in run.not_reached[0].reason
    assert on_trio(scenario, "cancel:scope scenario/sleep @ * #1").value == "nothing"


def test_the_innermost_scope_is_the_one_the_task_itself_is_in():
    async def scenario() -> bool:
        with trio.CancelScope() as scope:
            await trio.lowlevel.checkpoint()
            await trio.Event().wait()
        return scope.cancelled_caught

    assert on_trio(scenario, "cancel:scope scenario @ Event.wait #1").value is True


def test_a_task_that_has_not_reported_its_start_is_not_cancelled():
    async def service(*, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(1)
        task_status.started()

    async def scenario() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(service)

    run = on_trio(scenario, "cancel service @ sleep #1")
    assert run.status is Status.PASSED
    assert "has not reported that it has started" in run.not_reached[0].reason


def test_a_cancellation_says_that_it_was_faultloops():
    async def scenario() -> str:
        try:
            await trio.sleep(1)
        except trio.Cancelled as cancelled:
            return str(cancelled)
        return ""

    said = on_trio(scenario, "cancel scenario @ sleep").value
    assert "faultloop" in said or tuple(map(int, trio.__version__.split(".")[:2])) < (0, 31)


def test_who_cancelled_a_task_and_why_is_shown_and_is_no_part_of_the_digest(monkeypatch: pytest.MonkeyPatch):
    """trio says it from 0.31 on; a trace must be the same run on one that does not."""

    async def scenario() -> None:
        async def shut_down() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever, name="worker")
                await trio.sleep(1)
                nursery.cancel_scope.cancel(**why)

        async def fall() -> None:
            await trio.sleep(2)
            raise OSError(object())

        await shut_down()
        with trio.move_on_after(1):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever, name="late")
        with contextlib.suppress(ExceptionGroup):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever, name="bystander")
                nursery.start_soon(fall)

    says_why = tuple(map(int, trio.__version__.split(".")[:2])) >= (0, 31)
    why = {"reason": "deploy: shutting down"} if says_why else {}
    run = faultloop.run(scenario, driver="trio")
    ended = {
        run.trace.tasks[event.task].path.rpartition("/")[2]: event.text
        for event in run.trace.events
        if event.ev == "end"
    }
    if says_why:
        assert ended["worker"] == "cancelled: deploy: shutting down"
        assert ended["late"] == "cancelled: deadline"
        assert ended["bystander"].startswith("cancelled: nursery: child task raised exception")
        assert "0x…" in ended["bystander"], "an address is another one in the next run"
        assert "ended: cancelled: deploy: shutting down" in timeline(run.trace)
    else:
        assert {ended["worker"], ended["late"], ended["bystander"]} == {"cancelled"}
    monkeypatch.setattr("faultloop.drivers.trio.trace.cancelled_in_words", lambda error: "cancelled")
    silent = faultloop.run(scenario, driver="trio")
    assert silent.trace.digest == run.trace.digest
    assert faultloop.replay(run.trace, scenario).divergence is None


def test_a_cancel_at_a_bare_checkpoint_lands_there():
    async def scenario() -> int:
        done = 0
        with contextlib.suppress(trio.Cancelled):
            for _ in range(3):
                await trio.lowlevel.checkpoint()
                done += 1
        return done

    assert on_trio(scenario, "cancel scenario @ checkpoint #2").value == 1


def test_an_error_is_refused_where_nothing_can_fail():
    async def scenario() -> None:
        await trio.lowlevel.checkpoint()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 1)

    (bare,) = on_trio(scenario, "fail:OSError scenario @ checkpoint").not_reached
    assert "bare checkpoint" in bare.reason
    (children,) = on_trio(scenario, "fail:OSError scenario @ Nursery.__aexit__").not_reached
    assert "waits for the children of a nursery" in children.reason


def test_a_deadline_brought_forward_is_told_as_the_timeout_it_is():
    async def scenario() -> None:
        with trio.fail_after(10):
            await trio.sleep(1)

    run = on_trio(scenario, "expire scenario @ sleep")
    assert (run.status, run.virtual_time) == (Status.PROPAGATED, 0)
    assert isinstance(run.exception, trio.TooSlowError)


def test_those_who_wait_for_rest_are_woken_before_time_moves():
    async def scenario() -> float:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 5)
            await trio.testing.wait_all_tasks_blocked()
            return trio.current_time()

    import trio.testing

    assert on_trio(scenario).value == 0


def test_a_task_of_the_system_that_fails_is_told():
    async def scenario() -> None:
        async def broken() -> None:
            raise LookupError("gone")

        trio.lowlevel.spawn_system_task(broken)
        await trio.sleep(1)

    run = on_trio(scenario)
    assert run.status is Status.CRASHED
    assert isinstance(run.exception, trio.TrioInternalError)


# What is private to trio


@pytest.mark.parametrize("flag", [False, True])
def test_what_hypothesis_and_pytest_trio_set_is_put_back_however_the_run_ends(
    flag: bool, monkeypatch: pytest.MonkeyPatch
):
    from trio._core import _run

    own = random.Random(7)
    monkeypatch.setattr(_run, "_ALLOW_DETERMINISTIC_SCHEDULING", flag)
    monkeypatch.setattr(_run, "_r", own)
    state = own.getstate()

    async def inner() -> None:
        await trio.sleep(1)

    async def scenario() -> None:
        on_trio(inner)
        assert _run._r is not own
        raise LookupError("gone")

    assert on_trio(scenario).status is Status.CRASHED
    assert (_run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r) == (flag, own)
    assert own.getstate() == state  # nothing was drawn from it


ORDERS = ("fifo", "batch", "any")
SEEDS = range(6)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(SEEDS), st.sampled_from(ORDERS))
def test_a_run_within_a_hypothesis_test_is_the_run_outside_of_it(seed: int, order: Any):
    assert on_trio(busy, seed=seed, order=order).trace.digest == digests_outside()[seed, order]


@functools.cache
def digests_outside() -> dict[tuple[int, str], str]:
    """The digests of these runs in a process without Hypothesis."""
    program = (
        "import faultloop; from tests.drivers.conformance.kit import busy; "
        f"[print(faultloop.run(busy, driver='trio', seed=seed, order=order).trace.digest) "
        f"for seed in {SEEDS!r} for order in {ORDERS!r}]"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return dict(zip(itertools.product(SEEDS, ORDERS), done.stdout.split(), strict=True))


def test_a_trio_that_cannot_be_driven_is_refused_by_the_name_it_lacks(monkeypatch: pytest.MonkeyPatch):
    async def scenario() -> None:
        await trio.sleep(1)

    monkeypatch.delattr(private._run, "unrolled_run")
    private.missing.cache_clear()
    try:
        with pytest.raises(UsageError, match=r"it has no unrolled_run\..*FL701"):
            on_trio(scenario)
    finally:
        private.missing.cache_clear()


def test_without_a_way_to_raise_errors_that_fault_alone_is_lost(monkeypatch: pytest.MonkeyPatch):
    async def scenario() -> None:
        await trio.sleep(1)

    calm = on_trio(scenario).trace.digest
    monkeypatch.setattr(private, "raise_at", lambda task, error: private.no_errors())
    (lost,) = on_trio(scenario, "fail:OSError scenario @ sleep").not_reached
    assert "FL702" in lost.reason
    assert on_trio(scenario).trace.digest == calm


def test_without_a_way_to_forget_tasks_crashes_alone_are_lost(monkeypatch: pytest.MonkeyPatch):
    async def scenario() -> None:
        node = world.node("worker-1")
        node.start(trio.sleep, 1)
        await node.finished()

    monkeypatch.setattr(faults, "no_crashes", lambda: "no node can crash [FL702]")
    (lost,) = on_trio(scenario, "crash worker-1 @ *").not_reached
    assert "FL702" in lost.reason
    assert on_trio(scenario, "pause:5s worker-1 @ *").virtual_time == 5


def test_without_batches_in_order_a_run_is_the_same_a_step_at_a_time(monkeypatch: pytest.MonkeyPatch):
    before = [on_trio(busy, seed=seed, order="batch").trace.digest for seed in range(10)]
    monkeypatch.setattr(private, "keeps_batches", lambda: False)
    assert [on_trio(busy, seed=seed, order="batch").trace.digest for seed in range(10)] == before


@pytest.mark.parametrize("order", ["fifo", "batch", "any"])
def test_a_fast_run_is_the_recorded_run(order: Any):
    from faultloop.deciders.uniform import Uniform
    from faultloop.drivers.settings import Settings
    from faultloop.drivers.trio.driver import execute

    for seed in range(30):
        fast = execute(busy, Settings(order, Uniform(seed).choose))
        slow = on_trio(busy, seed=seed, order=order)
        assert (fast.value, fast.steps, fast.now) == (slow.value, slow.steps, slow.trace.stats.virtual_ns)
