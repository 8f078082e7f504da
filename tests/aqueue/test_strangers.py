"""Claims of a worker that does not know all tasks, on every store: they pass over the others, and hold nobody up."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from aqueue import Store
from aqueue.store.limits import TaskRule
from aqueue.store.memory_tables import MemoryTables
from aqueue.store.operations import Claim, Enqueue, Sweep
from aqueue.store.questions import Verify
from aqueue.store.rows import JobRow, Narrowing
from tests.aqueue.support import ManualClock
from tests.aqueue.test_limits import Desk
from tests.aqueue.walk import new_job

KNOWN: dict[str, Any] = {"rules": {"known": TaskRule()}, "only_known": True}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def desk(make_store: Callable[[], Store]) -> Any:
    clock = ManualClock()
    async with make_store().open(clock=clock, random=Random(0)) as session:
        yield Desk(session, clock)


@pytest.mark.anyio
async def test_a_claim_passes_over_tasks_it_does_not_know_and_names_each_once(desk: Desk):
    await desk.enqueue(30, task="b")
    await desk.enqueue(2, task="a")
    await desk.enqueue(3, task="known")
    first = await desk.claim(5, **KNOWN)
    assert [job.task for job in first.jobs] == ["known"] * 3
    assert first.strangers == ("b", "a")
    again = await desk.claim(5, strangers=frozenset(first.strangers), **KNOWN)
    assert (again.jobs, again.strangers, again.wait_ms) == ((), (), None)
    everything = await desk.claim(50)
    assert len(everything.jobs) == 32, "they stayed pending, for whoever takes them"


@pytest.mark.anyio
async def test_a_task_that_was_a_stranger_is_taken_once_it_is_known(desk: Desk):
    await desk.enqueue(1, task="late")
    rules = {"known": TaskRule(), "late": TaskRule()}
    assert len((await desk.claim(rules=rules, only_known=True, strangers=frozenset({"late"}))).jobs) == 1


@pytest.mark.anyio
async def test_a_stranger_that_lost_its_lease_holds_up_nobody(desk: Desk):
    """One job that is to run alone keeps workers from taking others after a while: not if they cannot run it."""
    await desk.enqueue(1, task="strange")
    await desk.claim(lease=50)
    desk.clock.now += 51
    await desk.perform(Sweep())
    await desk.enqueue(2, task="known")
    desk.clock.now += 10_000
    found = await desk.claim(lease=50, isolate_after=1, is_idle=True, **KNOWN)
    assert ([job.task for job in found.jobs], found.strangers) == (["known", "known"], ("strange",))


@pytest.mark.anyio
async def test_jobs_of_a_key_wait_for_the_stranger_before_them(desk: Desk):
    await desk.enqueue(1, task="strange", key="k")
    await desk.enqueue(1, task="known", key="k")
    assert (await desk.claim(**KNOWN)).jobs == ()


@pytest.mark.anyio
async def test_whoever_finds_it_ends_a_job_past_its_deadline(desk: Desk):
    await desk.perform(Enqueue((replace(new_job("late"), task="strange", deadline_ms=5),)))
    desk.clock.now += 5
    assert len((await desk.claim(**KNOWN)).jobs) == 1


@pytest.mark.anyio
async def test_what_nobody_here_knows_is_not_called_stuck(desk: Desk):
    await desk.enqueue(1, task="strange")
    desk.clock.now += 1000
    (of_all,) = await desk.session.perform(Verify(10, 1))
    assert of_all.rows == ((1,),)
    assert await desk.session.perform(Verify(10, 1, frozenset({"known"}))) == ()
    await desk.enqueue(1, task="known")
    desk.clock.now += 1000
    (of_known,) = await desk.session.perform(Verify(10, 1, frozenset({"known"})))
    assert of_known.rows == ((2,),)


class CountingTables(MemoryTables):
    looks = 0

    def ready(self, now: int, limit: int, narrowing: Narrowing) -> list[JobRow]:
        self.looks += 1
        return super().ready(now, limit, narrowing)


def looks_for(task: str, **options: Any) -> int:
    tables = CountingTables()
    Enqueue(tuple(replace(new_job(f"j{number}"), task=task) for number in range(3))).apply(tables, 0)
    Claim("w", "n", 9, lease_ms=50, **options).apply(tables, 0)
    return tables.looks


def test_a_worker_that_knows_all_tasks_looks_no_more_often_than_one_that_takes_all():
    assert looks_for("known", **KNOWN) == looks_for("known") == 2
    assert looks_for("strange", **KNOWN) == 3
    assert looks_for("strange", strangers=frozenset({"strange"}), **KNOWN) == 2
