"""Replaying: the same run again, and what is said when it is not."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from faultloop import Run, Status, Trace, explore, replay, run, save_trace
from faultloop.errors import ReplayDiverged, TargetError, UsageError

Scenario = Callable[[], Coroutine[Any, Any, object]]
FAULT = "cancel w-2 @ Lock.acquire woken"


def workers(*, pause: float = 0.1, names: str = "123", is_careful: bool = False) -> Scenario:
    """Workers that share a lock and a counter; the careless ones count before they hold the lock."""

    async def scenario() -> str:
        lock, said, inside = asyncio.Lock(), list[str](), 0

        async def worker(name: str) -> None:
            nonlocal inside
            if is_careful:
                await lock.acquire()
                inside += 1
            else:
                inside += 1
                await lock.acquire()
            try:
                await asyncio.sleep(pause)
                said.append(name)
            finally:
                inside -= 1
                lock.release()

        tasks = [asyncio.create_task(worker(name), name=f"w-{name}") for name in names]
        await asyncio.gather(*tasks, return_exceptions=True)
        assert inside == 0, f"{inside} inside"
        return "".join(said)

    return scenario


def recorded(**asked: Any) -> Run:
    return run(workers(), **asked)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"faults": [FAULT]},
        {"seed": 5, "order": "batch"},
        {"seed": 5, "order": "any"},
        {"seed": 11, "order": "any", "faults": [FAULT]},
    ],
)
def test_thirty_replays_are_one_run(asked: dict[str, Any]):
    trace = recorded(**asked).trace
    replays = [replay(trace, workers()) for _ in range(30)]
    assert {again.run.trace.digest for again in replays} == {trace.digest}
    assert all(again.same_digest and again.divergence is None for again in replays)
    replays[0].raise_if_diverged()


def test_a_replay_ends_as_the_recording_did():
    original = recorded(faults=[FAULT])
    again = replay(original.trace, workers())
    assert original.status is Status.VIOLATED
    assert again.run.status is Status.VIOLATED
    assert again.run.trace.outcome == original.trace.outcome


def test_changed_code_is_answered_with_the_first_difference_and_both_sides():
    again = replay(recorded().trace, workers(pause=0.2))
    assert not again.same_digest
    assert again.divergence is not None
    assert again.divergence.expected == "step 4, 0.100 s: time moves"
    assert again.divergence.got == "step 4, 0.200 s: time moves"
    assert again.divergence.context[-1].endswith("scenario/w-3 waits at worker>Lock.acquire #1")


def test_a_replay_that_diverged_can_be_raised():
    with pytest.raises(ReplayDiverged, match=r"(?s)replay diverged: the runs differ at step .* alike ") as caught:
        replay(recorded().trace, workers(names="12")).raise_if_diverged()
    assert caught.value.code == "FL201"


def test_following_only_the_faults_tells_whether_a_fix_holds():
    trace = recorded(faults=[FAULT]).trace
    assert replay(trace, workers(), follow="faults").run.status is Status.VIOLATED
    fixed = replay(trace, workers(is_careful=True), follow="faults")
    assert (fixed.run.status, fixed.run.not_reached, fixed.divergence) == (Status.PASSED, (), None)


def test_following_only_the_faults_cannot_tell_when_they_are_not_reached():
    async def without_locks() -> None:
        await asyncio.create_task(asyncio.sleep(1), name="w-2")

    again = replay(recorded(faults=[FAULT]).trace, without_locks, follow="faults")
    assert again.run.status is Status.PASSED
    (missed,) = again.run.not_reached
    assert str(missed.fault) == "cancel w-2 @ Lock.acquire #1 woken"
    assert missed.reason == 'w-2 never waited at "Lock.acquire"'


def test_following_only_the_faults_leaves_the_order_calm():
    trace = recorded(seed=5, order="any", faults=[FAULT]).trace
    assert trace.choices.picks
    assert replay(trace, workers(), follow="faults").run.trace.choices.picks == ()


async def careless() -> None:
    await workers()()


async def careful() -> None:
    await workers(is_careful=True)()


@pytest.mark.parametrize("fault", ["cancel careless/w-2 @ Lock.acquire woken", "cancel careless @ gather #1 parked"])
def test_a_variant_of_another_name_stands_for_the_recorded_one(fault: str):
    trace = run(careless, faults=[fault]).trace
    fixed = replay(trace, careful, follow="faults")
    assert (fixed.run.not_reached, len(fixed.run.trace.delivered)) == ((), 1)


def test_an_order_is_followed_by_a_variant_of_another_name():
    found = explore(reversed_by_an_order, strategy="schedules", order="batch", runs=50)
    (failure,) = found.failures
    assert failure.trace.choices.departures
    again = replay(failure.trace, reversed_too, follow="faults")
    assert (again.held, again.run.status) == (True, Status.VIOLATED)


async def reversed_by_an_order() -> None:
    said: list[int] = []

    async def say(number: int) -> None:
        await asyncio.sleep(0)
        said.append(number)

    await asyncio.gather(*(asyncio.create_task(say(number), name=f"say-{number}") for number in range(2)))
    assert said == [0, 1]


async def reversed_too() -> None:
    await reversed_by_an_order()


def test_a_trace_of_a_function_inside_another_needs_a_scenario():
    with pytest.raises(TargetError, match="names no scenario"):
        replay(recorded().trace)


def test_a_way_to_follow_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match='"choices" or "faults"'):
        replay(recorded().trace, workers(), follow="clues")  # type: ignore[arg-type]


async def at_the_top() -> None:
    await asyncio.sleep(1)


def test_a_trace_finds_its_own_scenario(tmp_path: Any):
    save_trace(run(at_the_top).trace, tmp_path / "top.trace.json")
    again = replay(tmp_path / "top.trace.json")
    assert again.same_digest
    assert isinstance(again.trace, Trace)
