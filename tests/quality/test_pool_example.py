"""examples/pool.py: the bug that the documentation opens with is found, placed and told as it says there."""

import functools
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from faultloop import Exploration, Status, explore, replay, run
from faultloop.report.story import story

ROOT = Path(__file__).resolve().parents[2]
LOUD = "cancel scenario/worker-2 @ Pool.acquire>Future #1 woken"
SILENT = "cancel scenario/worker-1 @ Pool.acquire>Future #1 woken"


@functools.cache
def pool() -> Any:
    """The example as a module; the directory it lies in is no package."""
    spec = importlib.util.spec_from_file_location("pool_example", ROOT / "examples" / "pool.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def explored() -> Exploration:
    return explore(pool().scenario, tasks="worker-*")


def cancelled(task: str, phase: str) -> Any:
    return run(pool().scenario, faults=[f"cancel {task} @ Pool.acquire #1 {phase}"])


def test_the_calm_run_passes_and_takes_three_tenths_of_a_second():
    calm = explored().calm
    assert calm.status is Status.PASSED
    assert calm.virtual_time == pytest.approx(0.3)


@pytest.mark.parametrize("task", ["worker-1", "worker-2"])
def test_a_waiter_cancelled_while_it_is_parked_loses_nothing(task: str):
    result = cancelled(task, "parked")
    assert result.not_reached == ()
    assert result.status is Status.PASSED


def test_no_fault_at_parked_finds_anything():
    found = [failure.trace.faults[0].at.phase.value for failure in explored().failures]
    assert "parked" not in found


def test_a_waiter_cancelled_when_it_is_woken_takes_the_slot_with_it():
    result = cancelled("worker-2", "woken")
    assert (result.status, result.trace.outcome.message) == (Status.CRASHED, "TimeoutError")
    assert result.virtual_time == 30.0


def test_the_other_waiter_loses_it_without_a_word():
    """Nobody waits for the slot any more, so only the claim at the end of the scenario can see it."""
    result = cancelled("worker-1", "woken")
    assert result.status is Status.VIOLATED
    assert result.trace.outcome.message.startswith("AssertionError: 1 slot is still in use, and nobody holds it")
    assert result.virtual_time == pytest.approx(0.2)  # the job in hand is lost as well


def test_exploring_finds_exactly_these_two():
    found = explored()
    assert {failure.fault: failure.kind for failure in found.failures} == {LOUD: "crashed", SILENT: "violated"}
    assert found.first_failure_run is not None
    assert found.first_failure_run <= 30
    assert "every single fault (cancel, expire) at every await of worker-* in the calm run" in found.exhausted


def test_each_failure_replays_thirty_times_to_one_digest():
    for failure in explored().failures:
        replays = [replay(failure.trace, pool().scenario) for _ in range(30)]
        assert {again.run.trace.digest for again in replays} == {failure.trace.digest}


@pytest.mark.parametrize(("fault", "who", "what"), [(LOUD, "worker-2", "TimeoutError"), (SILENT, "worker-1", "1 slot")])
def test_the_story_names_the_task_the_place_and_what_broke(fault: str, who: str, what: str):
    (failure,) = [failure for failure in explored().failures if failure.fault == fault]
    told = story(failure.trace)
    for word in (who, "Pool.acquire", what):
        assert word in told, told
    assert len(told.splitlines()) <= 35
