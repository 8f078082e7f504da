"""q.testing(): jobs run when told to, time passes when told to, and a worker vanishes where it is told to."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import anyio
import pytest

from aqueue import (
    BadOption,
    Context,
    Crashed,
    Queue,
    QueueClosed,
    Rate,
    Retry,
    Snooze,
    SqliteStore,
    StillBusy,
    Store,
    testing,
)
from aqueue.points import POINTS

pytestmark = pytest.mark.anyio


@pytest.fixture
def q(make_store: Callable[[], Store]) -> Queue:
    return Queue(make_store(), random=Random(0))


async def test_drain_runs_what_is_due_and_leaves_what_is_not(q: Queue):
    ran: list[str] = []

    @q.task()
    async def work(name: str) -> None:
        ran.append(name)
        if name == "parent":
            await work.enqueue("child")

    async with q.testing() as t:
        await work.enqueue("parent")
        await work.options(delay=60).enqueue("later")
        await t.drain()
        assert ran == ["parent", "child"]
        await t.advance(59)
        assert ran == ["parent", "child"]
        await t.advance(1)
        assert ran == ["parent", "child", "later"]


async def test_an_hour_of_retries_passes_in_no_time(q: Queue):
    @q.task(retry=Retry(5, base=600, cap=600))
    async def flaky(ctx: Context) -> int:
        if ctx.attempt < 4:
            raise OSError
        return ctx.attempt

    async with q.testing() as t:
        job = await flaky.enqueue()
        await t.advance(3600)
        assert await job.result() == 4
        assert await q.check(grace=60) == ()


async def test_limits_let_through_what_they_would_in_that_time(q: Queue):
    ran: list[int] = []

    @q.task(rate=Rate(1, per=10))
    async def rated(number: int) -> None:
        ran.append(number)

    async with q.testing() as t:
        await q.enqueue_many(rated.job(number) for number in range(9))
        await t.drain()
        assert ran == [0]
        await t.advance(35)
        assert ran == [0, 1, 2, 3]


@pytest.mark.parametrize("point", ["claim.txn", "claim.reply", "try.enter", "settle.txn", "settle.reply"])
async def test_a_worker_that_vanishes_at_any_point_of_a_job_loses_nothing(q: Queue, point: str):
    tries: list[int] = []

    @q.task()
    async def work(ctx: Context) -> str:
        tries.append(ctx.attempt)
        return "done"

    async with q.testing() as t:
        job = await work.enqueue()
        t.crash_at(point)
        await t.drain()
        assert t.crashes == [point]
        happened = {"claim.txn": "pending", "settle.reply": "succeeded"}
        assert (await job.info()).state == happened.get(point, "running")
        await t.advance(31)
        assert await job.result() == "done"
        assert len(tries) == (2 if point == "settle.txn" else 1)
        assert await q.check(grace=60) == ()


@pytest.mark.parametrize(("point", "calls"), [("effect.intent", 1), ("effect.call", 1), ("effect.record", 2)])
async def test_a_crash_at_an_effect_is_doubt_and_never_silence(q: Queue, point: str, calls: int):
    called: list[bool] = []

    @q.task()
    async def pay(ctx: Context) -> None:
        async with ctx.once("k") as effect:
            called.append(effect.ambiguous)
            effect.result = None

    async with q.testing() as t:
        await pay.enqueue()
        t.crash_at(point)
        await t.drain()
        await t.advance(31)
        assert called == {"effect.intent": [False], "effect.call": [True], "effect.record": [False, True]}[point]
        assert len(called) == calls
        assert await q.check(grace=60) == ()


async def test_an_enqueuer_that_vanishes_before_its_job_is_stored_left_none_and_after_it_left_one(q: Queue):
    @q.task()
    async def work() -> None: ...

    async with q.testing() as t:
        t.crash_at("enqueue.insert")
        with pytest.raises(Crashed):
            await work.enqueue()
        assert (await q.counts())["pending"] == 0
        t.crash_at("enqueue.commit", nth=2)
        await work.enqueue()
        with pytest.raises(Crashed):
            await work.enqueue()
        assert (await q.counts())["pending"] == 2


async def test_a_job_that_is_buried_can_crash_on_the_way(q: Queue):
    @q.task(retry=Retry(3, never=(ValueError,)))
    async def bad() -> None:
        raise ValueError

    async with q.testing() as t:
        job = await bad.enqueue()
        t.crash_at("dlq.txn")
        await t.drain()
        assert ((await job.info()).state, t.crashes) == ("running", ["dlq.txn"])
        await t.advance(31)
        assert (await job.info()).dead_reason == "not retryable"


async def test_snoozes_and_deadlines_follow_the_clock_of_the_test(q: Queue):
    @q.task()
    async def patient(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise Snooze(3600)
        return ctx.attempt

    async with q.testing() as t:
        job = await patient.enqueue()
        late = await patient.options(delay=100, deadline=50).enqueue()
        await t.advance(3599)
        assert (await job.info()).state == "pending"
        assert (await late.info()).dead_reason == "expired"
        await t.advance(1)
        assert await job.result() == 2


async def test_a_handler_that_never_ends_is_named_not_waited_for(q: Queue):
    @q.task()
    async def stuck() -> None:
        await anyio.sleep_forever()

    async with q.testing() as t:
        job = await stuck.enqueue()
        with pytest.raises(StillBusy, match="AQ050"):
            await t.drain(limit=0.01)
        assert [event.kind for event in (await job.info()).history][-1] == "released"


@pytest.mark.parametrize("point", ["", "nowhere", "claim.wait", "handler.*"])
async def test_a_point_where_nothing_is_written_is_refused_with_those_that_can_be_had(q: Queue, point: str):
    async with q.testing() as t:
        with pytest.raises(BadOption, match=r"AQ003.*settle\.txn"):
            t.crash_at(point)


async def test_after_the_test_the_queue_has_its_clock_and_its_store_back(q: Queue):
    @q.task()
    async def work() -> int:
        return 1

    async with q.testing() as t:
        await t.advance(10_000_000)
        t.crash_at("settle.txn")
    async with q:
        job = await work.enqueue()
        await q.run_until_idle()
        assert await job.result() == 1


def test_every_point_of_the_catalogue_has_its_name():
    assert {
        "enqueue.insert", "enqueue.commit", "claim.wait", "claim.txn", "claim.reply", "slot.acquire", "try.enter",
        "handler.*", "effect.intent", "effect.call", "effect.record", "hook.*", "hb.sleep", "hb.txn", "settle.txn",
        "settle.reply", "wake.wait", "sweep.scan", "sweep.txn", "cron.tick", "cron.txn", "dlq.txn", "redrive.txn",
        "drain.wait",
    } <= set(POINTS)  # fmt: skip


@dataclass
class Order:
    id: int


async def test_what_waits_is_told_with_its_arguments_as_the_handler_will_get_them(make_store: Callable[[], Store]):
    q = Queue(make_store(), random=Random(0))

    @q.task
    async def charge(ctx: Context, order: Order, *, share: float = 1.0) -> None: ...

    @q.task
    async def mail(to: str) -> None: ...

    async with q.testing() as t:
        await charge.options(key="customer:7", headers={"tenant": "a"}).enqueue(Order(7), share=0.5)
        await mail.options(delay=60, unique="m").enqueue("a@example.org")
        first, second = await t.pending()
        assert (first.task, first.args, first.kwargs) == ("charge", (Order(7),), {"share": 0.5})
        assert (first.key, first.headers, first.delay) == ("customer:7", {"tenant": "a"}, 0)
        assert (second.args, second.unique, second.delay) == (("a@example.org",), "m", 60)
        assert await t.pending(mail) == (second,)
        await t.drain()
        assert await t.pending() == (second,), "what ran does not wait"
        await t.advance(60)
        assert await t.pending() == ()


async def test_more_jobs_wait_than_are_read_at_once_and_all_are_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(testing, "PAGE", 2)
    q = Queue("memory:")

    @q.task
    async def count(number: int) -> None: ...

    async with q.testing() as t:
        await q.enqueue_many(count.job(number) for number in range(5))
        assert [job.args for job in await t.pending(count)] == [(number,) for number in range(5)]


async def test_a_queue_of_an_application_is_tested_on_a_store_of_the_tests_own(tmp_path: Path):
    q = Queue(f"sqlite:///{tmp_path / 'real.db'}")

    @q.task
    async def work() -> str:
        return "done"

    for _ in range(2):
        async with q.testing(store="memory:") as t:
            job = await work.enqueue()
            assert job.id == 1, "nothing is left of the test before"
            await t.drain()
            assert await job.result() == "done"
    assert isinstance(q.store, SqliteStore)
    assert os.listdir(tmp_path) == []


async def test_an_open_queue_cannot_be_put_to_the_test():
    q = Queue("memory:")
    async with q:
        with pytest.raises(QueueClosed, match=r"AQ005.*leave out `async with queue:`"):
            async with q.testing():
                pass
        assert (await q.counts())["pending"] == 0, "and is none the worse for it"
