"""What an exploration may spend, what it tells of that, and what is asked wrongly."""

import asyncio
import time
from functools import partial
from itertools import count
from typing import Any

import pytest

from faultloop import Checks, Status, explore, run
from faultloop.errors import TargetError, UsageError
from faultloop.search.findings import Progress
from tests.search.explored import alone, leaky, two_workers


@pytest.mark.parametrize("runs", [1, 3, 10, 57])
def test_the_budget_in_runs_is_kept(runs: int):
    found = explore(two_workers, runs=runs)
    assert found.runs <= max(runs, 2)


def test_a_budget_that_ends_early_claims_nothing_complete():
    assert explore(two_workers, runs=5, faults=["cancel"]).exhausted == ()


def test_the_time_limit_is_kept():
    began = time.perf_counter()
    found = explore(two_workers, runs=10**9, time_limit=0.2)
    assert time.perf_counter() - began < 5
    assert found.runs < 10**9


def test_progress_names_the_stage_and_counts_what_was_done():
    told: list[Progress] = []
    found = explore(leaky(), on_progress=told.append, runs=200)
    assert [progress.runs for progress in told] == sorted(progress.runs for progress in told)
    assert (told[-1].runs, told[-1].runs_max, told[-1].tried) == (found.runs, 200, found.tried)
    stages = list(dict.fromkeys(progress.stage for progress in told))
    assert stages[:2] == ["single faults", "pairs of faults"]
    assert stages[-1] == "shrinking"


def test_the_first_failure_is_enough_if_asked_for():
    found, all_of_it = explore(leaky(), first=True), explore(leaky())
    assert found.status == "violated"
    assert found.runs == found.first_failure_run == all_of_it.first_failure_run
    assert [failure.fault for failure in found.failures] == [all_of_it.failures[0].fault]


async def fragile() -> None:
    """Cancelled at its second await it fails, and at none of the three others."""
    await asyncio.sleep(1)
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError as error:
        raise OSError("half written") from error
    await asyncio.sleep(1)
    await asyncio.sleep(1)


@pytest.mark.parametrize(("short", "tried"), [({"first": True}, 2), ({"runs": 5}, 3)], ids=["first", "budget"])
def test_an_await_that_no_fault_hit_does_not_count_as_tried(short: dict[str, Any], tried: int):
    whole, part = explore(fragile), explore(fragile, **short)
    assert (whole.points, whole.points_tried, whole.kinds_tried) == (4, 4, ("cancel",))  # no deadline: nothing expires
    assert (part.points, part.points_tried) == (4, tried)
    assert (whole.awaits_in_words, part.awaits_in_words) == ("4", f"{tried} of 4")


def test_awaits_of_tasks_that_were_not_to_be_hit_are_not_tried():
    found = explore(leaky(), tasks="nobody", order="fifo")
    assert (found.points_tried, found.kinds_tried) == (0, ())


def test_the_same_seed_finds_the_same():
    one, two = explore(two_workers, runs=150, seed=4), explore(two_workers, runs=150, seed=4)
    assert (one.runs, one.tried, one.schedules, one.exhausted) == (two.runs, two.tried, two.schedules, two.exhausted)


def test_a_check_that_is_off_finds_nothing():
    async def forgets() -> None:
        async def breaks() -> None:
            await asyncio.sleep(1)
            raise OSError

        asyncio.create_task(breaks())  # noqa: RUF006
        await asyncio.sleep(2)

    assert explore(forgets).reason != ""
    assert explore(forgets, checks=Checks(unretrieved="off"), faults=["cancel"], runs=100).reason == ""


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"strategy": "luck"}, "FL510"),
        ({"runs": 0}, "FL511"),
        ({"order": "chaos"}, "FL507"),
        ({"depth": 3}, "FL512"),
        ({"faults": ["explode"]}, "FL500"),
        ({"runs": 2.5}, "FL511"),
        ({"time_limit": 0}, "FL511"),
        ({"time_limit": float("nan")}, "FL511"),
        ({"faults": "cancel"}, "FL508"),
        ({"faults": [5]}, "FL508"),
        ({"observe": "json"}, "FL508"),
        ({"tasks": None}, "FL508"),
        ({"where": ["sleep"]}, "FL508"),
        ({"threads": "some"}, "FL523"),
        ({"limits": 3}, "FL523"),
        ({"checks": 3}, "FL523"),
        ({"seed": -1}, "FL523"),
        ({"faults": 3}, "FL508"),
        ({"faults": ["fail:NoSuchError"]}, "FL504"),
        ({"faults": ["fail:NoSuchError"], "jobs": 2}, "FL504"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_a_code(asked: dict[str, Any], code: str):
    with pytest.raises(UsageError) as caught:
        explore(alone, **asked)
    assert caught.value.code == code


def test_a_scenario_with_arguments_is_refused_with_their_names():
    async def takes(pool: object, jobs: int) -> None: ...

    for call in (explore, run):
        with pytest.raises(TargetError, match=r"takes needs pool, jobs; a scenario takes no arguments") as caught:
            call(takes)  # type: ignore[arg-type]
        assert caught.value.code == "FL104"
    assert run(partial(takes, None, 1)).status is Status.PASSED


async def accepts_a_connection() -> None:
    """asyncio makes a task of its own for every connection that a server accepts."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        await reader.read()
        writer.close()


def test_tasks_of_asyncios_own_are_spared_unless_they_are_asked_for():
    spared = explore(accepts_a_connection, strategy="sweep", faults=["cancel"])
    assert not any("_accept_connection2" in failure.fault for failure in spared.failures)
    assert any("a task of asyncio's own" in str(reason) for reason in spared.not_tried)
    asked = explore(accepts_a_connection, strategy="sweep", faults=["cancel"], tasks="*_accept_connection2")
    assert asked.tried > 0


def test_a_run_that_failed_and_then_did_not_leaves_nothing_to_be_said():
    made = count()

    async def scenario() -> None:
        number = next(made)
        await asyncio.sleep(1)
        await asyncio.sleep(1)
        assert number != 3, "the run of this number fails, whatever is done to it"

    found = explore(scenario, faults=["delay:1s"])
    assert (found.status, found.failures) == ("inconclusive", ())
    assert found.reason == "a run failed, and not when it was made again: not deterministic?"
