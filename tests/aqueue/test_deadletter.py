"""What an operator does, on both stores: each operation names its job and attempt, and does nothing to another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest

from aqueue import Session, Store
from aqueue.lifecycle import Bury, Fail
from aqueue.store.deadletter import DeadPage, Park, Purge, Unpark, came_back_with_the_same_error
from aqueue.store.operations import Claim, Enqueue, Redrive, Settle
from aqueue.store.questions import Inspect
from aqueue.store.rows import Event
from aqueue.store.spreading import Postpone, RetriesPage
from aqueue.store.survey import Faults, History, Now, Stats, Workload
from aqueue.store.tables import Tables
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import SAFETY_ONLY, new_job

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """One: an operation has no await of its own."""
    return "asyncio"


@asynccontextmanager
async def with_dead(make_store: Callable[[], Store], clock: ManualClock, jobs: int = 1) -> AsyncIterator[Session]:
    async with make_store().open(clock=clock, random=Random(0)) as session:
        await session.perform(Enqueue(tuple(new_job(f"j{n}") for n in range(jobs))))
        await session.perform(Claim("w", "n", jobs, lease_ms=1000))
        for job in range(1, jobs + 1):
            await session.perform(Settle(job, "w", Bury(1, "rejected"), error="no"))
        yield session
        assert await session.perform(SAFETY_ONLY) == ()


async def test_a_job_that_was_redriven_meanwhile_is_not_purged_or_parked(make_store: Callable[[], Store]):
    async with with_dead(make_store, ManualClock()) as session:
        await session.perform(Redrive(1))
        for operation in (Purge(1, 1), Park(1, 1), Unpark(1, 1)):
            assert str(await session.perform(operation)).startswith("the job is pending")
        await session.perform(Claim("w", "m", 1, lease_ms=1000))
        await session.perform(Settle(1, "w", Bury(2, "rejected")))
        assert await session.perform(Purge(1, 1)) == "the job is dead, at attempt 2"
        assert await session.perform(Park(1, 1)) == "attempt 1 is over, the job is at attempt 2"
        assert await session.perform(Inspect(1)) is not None


async def test_a_purge_whose_reply_was_lost_may_be_repeated(make_store: Callable[[], Store]):
    async with with_dead(make_store, ManualClock()) as session:
        assert [await session.perform(Purge(1, 1)) for _ in range(2)] == [None, None]
        assert await session.perform(Purge(2, 1)) == "there is no such job"
        known = await session.perform(History(1))
        assert known is not None
        assert (known.job, [event.kind for event in known.events]) == (None, ["enqueued", "claimed", "buried"])


async def test_the_number_and_the_uid_of_a_purged_job(make_store: Callable[[], Store]):
    """The number is not given again; the request to enqueue it is forgotten with the row."""
    async with with_dead(make_store, ManualClock(), jobs=2) as session:
        await session.perform(Purge(2, 1))
        (again,) = await session.perform(Enqueue((new_job("j1"),)))
        assert (again.job_id, again.created) == (3, True)


async def test_a_purge_that_is_undone_leaves_everything(make_store: Callable[[], Store]):
    class Undone:
        def apply(self, tables: Tables, now: int) -> None:
            Purge(1, 1).apply(tables, now)
            Enqueue((new_job("lost"),)).apply(tables, now)
            raise AssertionError

    async with with_dead(make_store, ManualClock()) as session:
        before = await session.perform(Inspect(1))
        with pytest.raises(AssertionError):
            await session.perform(Undone())
        assert await session.perform(Inspect(1)) == before
        (enqueued,) = await session.perform(Enqueue((new_job("next"),)))
        assert enqueued.created
        assert enqueued.job_id > 1  # a server does not give a number back


async def test_park_and_unpark_may_be_repeated(make_store: Callable[[], Store]):
    async with with_dead(make_store, ManualClock()) as session:
        assert [await session.perform(Park(1, 1)) for _ in range(2)] == [None, None]
        ((row, _),) = await session.perform(DeadPage(0, 10))
        assert row.life.dead_reason == "parked: rejected"
        assert [await session.perform(Unpark(1, 1)) for _ in range(2)] == [None, None]
        ((row, _),) = await session.perform(DeadPage(0, 10))
        assert row.life.dead_reason == "rejected"


async def test_only_retries_are_spread_and_none_that_was_claimed_meanwhile(make_store: Callable[[], Store]):
    clock = ManualClock()
    async with make_store().open(clock=clock, random=Random(0)) as session:
        await session.perform(Enqueue(tuple(new_job(f"j{n}") for n in range(3))))
        await session.perform(Claim("w", "n", 2, lease_ms=1000))
        for job in (1, 2):
            await session.perform(Settle(job, "w", Fail(1, 0)))
        assert [row.id for row in (await session.perform(RetriesPage(0, 10)))[0]] == [1, 2]
        await session.perform(Claim("w", "m", 1, lease_ms=1000))
        assert await session.perform(Postpone({(1, 1): 500, (2, 1): 700, (9, 1): 1})) == 1
        known = await session.perform(Inspect(2))
        assert known is not None
        assert known.job.life.run_at == clock.now + 700
        assert (await session.perform(RetriesPage(3, 10))) == ((), None)


async def test_both_stores_answer_what_an_operator_asks(make_store: Callable[[], Store]):
    clock = ManualClock()
    async with with_dead(make_store, clock, jobs=2) as session:
        await session.perform(Enqueue((new_job("due"), new_job("taken"))))
        await session.perform(Claim("w", "m", 1, lease_ms=1000))
        clock.now += 10
        works = await session.perform(Workload(10))
        assert [(row.id, since) for row, since in works.running] == [(3, clock.now - 10)]
        assert [row.id for row in works.due] == [4]
        await session.perform(Purge(1, 1))
        stats = await session.perform(Stats(60_000))
        assert {(each.state, each.count, each.due, each.oldest_due) for each in stats.tasks} == {
            ("dead", 1, 0, None), ("running", 1, 0, None), ("pending", 1, 1, clock.now - 10)
        }  # fmt: skip
        assert dict(stats.events) == {
            ("", "buried"): 1, ("", "claimed"): 1, ("", "enqueued"): 1,
            ("t", "buried"): 1, ("t", "claimed"): 2, ("t", "enqueued"): 3,
        }  # fmt: skip
        assert dict((await session.perform(Stats(0))).events) == {}
        assert (await session.perform(Faults()), await session.perform(Now())) == ((), clock.now)
        assert await session.perform(History(99)) is None


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("KeyError: 17", "KeyError: 4", True),
        ("lease of worker-1:ab ran out", "lease of worker-2:cd ran out", True),
        ("KeyError: 17", "ValueError: 17", False),
        (None, None, True),
    ],
)
def test_an_error_is_the_same_but_for_its_numbers(first: str | None, second: str | None, same: bool):
    log = [Event(1, 0, "buried", 1, "w", first), Event(1, 1, "redriven", 1), Event(1, 2, "buried", 2, "w", second)]
    assert came_back_with_the_same_error(log) is same
    assert came_back_with_the_same_error(log[:1]) is False
