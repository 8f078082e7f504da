"""Eager tasks (Python 3.12 and later): their first step runs inside their parent's, and can be hit all the same."""

import asyncio
from typing import Any

import pytest

import faultloop
from faultloop import Checks, Status
from faultloop.checks.standard import judge
from faultloop.deciders.calm import Calm
from faultloop.drivers.asyncio.run import execute
from faultloop.drivers.settings import Settings
from faultloop.model.faults import Cancel, Delay, Fail
from faultloop.search.conditions import Conditions
from faultloop.search.run import Observed, run_with
from faultloop.search.sweep import Scope, trials
from tests.drivers.support import passed, since_312, value

pytestmark = since_312
Log = list[Any]


def be_eager() -> None:
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]


async def two_children() -> Log:
    be_eager()
    log: Log = []

    async def child(name: str) -> None:
        try:
            log.append(f"{name} begins")
            await asyncio.sleep(1)
            log.append(f"{name} goes on")
            await asyncio.sleep(0)
        except BaseException as error:
            log.append(f"{name} hears {type(error).__name__}")
            raise

    tasks = [asyncio.create_task(child(name), name=name) for name in ("a", "b")]
    log.append("made")
    await asyncio.wait(tasks)
    for task in tasks:
        task.cancelled() or task.exception()
    return log


def test_eager_tasks_have_paths_and_their_first_wait_counts():
    run = passed(two_children)
    assert [task.path for task in run.trace.tasks] == ["two_children", "two_children/a", "two_children/b"]
    waits = [(run.trace.tasks[e.task].path, e.step) for e in run.trace.events if e.ev == "await"]
    assert {path for path, step in waits if step == 1} == {"two_children", "two_children/a", "two_children/b"}


def test_an_eager_task_that_never_waits_is_done_at_once():
    async def scenario() -> list[bool]:
        be_eager()

        async def child() -> int:
            return 1

        task = asyncio.create_task(child())
        return [task.done(), await task == 1]

    assert value(scenario) == [True, True]


@pytest.mark.parametrize("phase", ["parked", "woken"])
def test_the_first_wait_of_an_eager_task_can_be_cancelled(phase: str):
    run = faultloop.run(two_children, faults=[f"cancel b @ child #1 {phase}"])
    assert not run.not_reached
    assert run.value == [
        "a begins", "b begins", "made", *(
            ["b hears CancelledError", "a goes on"] if phase == "parked" else ["a goes on", "b hears CancelledError"]
        ),
    ]  # fmt: skip


def test_the_first_wait_of_an_eager_task_can_fail():
    run = faultloop.run(two_children, faults=["fail:OSError b @ child #1 parked"])
    assert "b hears OSError" in run.value


def observed(**how: Any) -> Observed:
    return run_with(two_children, Calm(), Conditions.of(), **how)


def test_every_trial_ends_alike_at_both_speeds():
    """The wait of an eager task begins in its parent's step: the fast run must hit the child, not the parent."""
    kinds = (Cancel(), Fail("OSError"), Delay(5_000_000_000))
    for trial in trials(observed(collect=True), Scope(kinds), lambda why: None):
        slow = observed(faults=(trial.planned,))
        facts = execute(two_children, Settings(), strikes=(trial.strike,))
        status = judge(facts, Checks(), (trial.planned,)).status
        assert (status, facts.value, facts.now, facts.steps, facts.has_landed) == (
            slow.run.status, slow.facts.value, slow.facts.now, slow.facts.steps, slow.facts.has_landed,
        ), str(trial.planned)  # fmt: skip


def test_an_eager_task_that_leaks_is_named():
    left: list[Any] = []

    async def scenario() -> None:
        be_eager()
        left.append(asyncio.create_task(asyncio.sleep(9), name="left"))

    run = faultloop.run(scenario)
    assert run.status is Status.PASSED
    assert [finding.task for finding in run.trace.outcome.findings] == ["scenario/left"]
    left.clear()


def test_an_error_nobody_looks_at_in_an_eager_task_is_found():
    async def scenario() -> None:
        be_eager()

        async def child() -> None:
            raise ValueError("lost")

        asyncio.create_task(child())  # noqa: RUF006
        await asyncio.sleep(1)

    run = faultloop.run(scenario)
    assert run.status is Status.VIOLATED
    assert "lost" in run.trace.outcome.message


def test_an_eager_task_made_by_a_callback_has_its_first_wait_at_once():
    async def scenario() -> Log:
        be_eager()
        loop = asyncio.get_running_loop()
        made: list[asyncio.Task[None]] = []
        log: Log = []

        async def child() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                log.append(loop.time())

        loop.call_later(1, lambda: made.append(asyncio.create_task(child(), name="child")))
        await asyncio.sleep(2)
        await asyncio.wait(made)
        return log

    run = faultloop.run(scenario, faults=["cancel child @ Event.wait"])
    assert (run.status, run.value) == (Status.PASSED, [1.0])


def test_an_error_that_somebody_looks_at_later_is_no_finding():
    async def scenario() -> str:
        be_eager()

        async def child() -> None:
            raise ValueError("seen")

        task = asyncio.create_task(child())
        await asyncio.sleep(1)
        return str(task.exception())

    assert value(scenario) == "seen"


def test_eager_runs_repeat():
    assert len({passed(two_children, seed=3, order="batch").trace.digest for _ in range(10)}) == 1


def test_eager_start_can_be_asked_for_one_task_alone():
    async def scenario() -> Log:
        loop = asyncio.get_running_loop()
        log: Log = []

        async def child() -> None:
            log.append("begins")
            await asyncio.sleep(1)

        task = asyncio.eager_task_factory(loop, child(), name="one")  # type: ignore[attr-defined]
        log.append("made")
        await task
        return log

    assert value(scenario) == ["begins", "made"]
