"""Claims of a worker that does not know all tasks, on every store: they pass over the others, and hold nobody up."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from aqueue import Store
from aqueue.store.limits import TaskRule
from aqueue.store.operations import ClaimReply, Enqueue, Sweep
from aqueue.store.questions import Strangers, Verify
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
async def test_a_claim_passes_over_tasks_it_does_not_know(desk: Desk):
    await desk.enqueue(30, task="b")
    await desk.enqueue(2, task="a")
    await desk.enqueue(3, task="known")
    first = await desk.claim(5, **KNOWN)
    assert [job.task for job in first.jobs] == ["known"] * 3
    assert await desk.claim(5, **KNOWN) == ClaimReply((), None), "there is nothing to wait for"
    everything = await desk.claim(50)
    assert len(everything.jobs) == 32, "they stayed pending, for whoever takes them"


@pytest.mark.anyio
async def test_strangers_are_named_while_one_of_their_jobs_is_pending(desk: Desk):
    await desk.enqueue(3, task="b")
    await desk.enqueue(2, task="a")
    await desk.enqueue(1, task="known")
    await desk.enqueue(1, task="runs")
    await desk.claim(1, rules={"runs": TaskRule()}, only_known=True)
    strangers = Strangers(frozenset({"known", "none"}))
    assert await desk.perform(strangers) == ("a", "b")
    await desk.claim(2, rules={"a": TaskRule()}, only_known=True)
    assert await desk.perform(strangers) == ("b",)
    assert await desk.perform(Strangers(frozenset({"known", "b"}))) == ()


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
    assert [job.task for job in found.jobs] == ["known", "known"]


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
