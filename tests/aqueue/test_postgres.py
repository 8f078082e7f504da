"""What is PostgreSQL's own: transactions side by side, the server's clock, its tables."""

from collections.abc import Callable
from random import Random
from typing import Any

import anyio
import pytest

from aqueue import (
    BadOption,
    Context,
    LeaseLost,
    Queue,
    SchemaMismatch,
    SystemClock,
)
from aqueue.lifecycle import Fail, Succeed
from aqueue.store.limits import Pause, TaskRule
from aqueue.store.operations import Claim, Enqueue, Lease, Renew, Settle
from aqueue.store.postgres.store import PostgresStore
from aqueue.store.questions import Census, Inspect
from aqueue.store.rows import Narrowing
from tests.aqueue.on_postgres import open_store, sql
from tests.aqueue.walk import SAFETY_ONLY, new_job

pytestmark = pytest.mark.anyio


# Transactions


async def test_an_operation_that_fails_in_a_batch_fails_alone(schema_url: str):
    async with open_store(schema_url) as session:
        await session.perform(Enqueue((new_job("a"),)))
        heard: list[Any] = []

        async def perform(operation: Any) -> None:
            try:
                heard.append(await session.perform(operation))
            except (LeaseLost, BadOption) as error:
                heard.append(type(error))

        async with anyio.create_task_group() as tasks:
            for operation in (
                Enqueue((new_job("b"),)),
                Settle(1, "nobody", Succeed(1)),
                Enqueue((new_job("huge", attempts=2**40),)),  # no integer of the server's
                Enqueue((new_job("c"),)),
            ):
                tasks.start_soon(perform, operation)
        assert (heard.count(LeaseLost), heard.count(BadOption), len(heard)) == (1, 1, 4)
        assert (await session.perform(Census()))["pending"] == 3
        assert await session.perform(SAFETY_ONLY) == ()


class Mistaken:
    """An operation with a mistake in it."""

    def apply(self, tables: Any, now: int) -> Any:
        Enqueue((new_job("x"),)).apply(tables, now)
        raise KeyError("a mistake")


async def test_a_mistake_in_an_operation_is_its_own(schema_url: str):
    async with open_store(schema_url) as session:
        answers = await session.perform_all([Enqueue((new_job("a"),)), Mistaken(), Enqueue((new_job("b"),))])
        assert [type(error) for _, error in answers] == [type(None), KeyError, type(None)]
        assert (await session.perform(Census()))["pending"] == 2


@pytest.mark.parametrize("times", range(8))
async def test_a_statement_that_an_error_kept_from_being_prepared_is_prepared_later(schema_url: str, times: int):
    """A success that comes too late stops the pipeline; what is sent behind it was never heard of by the server."""
    late = Settle(99, "w", Succeed(1))
    async with open_store(schema_url) as session:
        for first, enqueued in (("a", 0), ("b", times)):
            for number in range(enqueued):
                await session.perform(Enqueue((new_job(f"n{number}"),)))
            answers = await session.perform_all([late, Enqueue((new_job(first),))])
            assert [type(error) for _, error in answers] == [LeaseLost, type(None)]
        await session.perform(Enqueue((new_job("c"),)))
        assert (await session.perform(Census()))["pending"] == times + 3


async def test_a_text_that_the_server_has_no_way_to_keep_settles_its_job_all_the_same(schema_url: str):
    async with open_store(schema_url) as session:
        await session.perform(Enqueue((new_job("a"),)))
        await session.perform(Claim("w", "n", 1, lease_ms=1000))
        await session.perform(Settle(1, "w", Fail(1, run_at=0), error="nul \0, half a pair \ud800, ü"))
        assert (await session.perform(Inspect(1))).job.error == "nul \\x00, half a pair \\ud800, ü"


class Interrupted:
    """An operation in whose middle another transaction is committed, the first time."""

    def __init__(self, inner: Any, interrupt: Callable[[], object]) -> None:
        self.inner = inner
        self.interrupt = interrupt
        self.tried = 0

    def apply(self, tables: Any, now: int) -> Any:
        self.tried += 1
        tables.limits()
        tables.ready(now, 0, Narrowing())
        reply = self.inner.apply(tables, now)
        if self.tried == 1:
            self.interrupt()
        return reply


async def test_a_limit_that_somebody_else_wrote_meanwhile_is_read_again(schema_url: str):
    async with open_store(schema_url) as session:
        insert = "INSERT INTO aq_limit(scope,paused) VALUES('task:t',0)"
        operation = Interrupted(Pause("task:t"), lambda: sql(schema_url, insert))
        assert await session.perform(operation) is True
        assert operation.tried == 2
        assert sql(schema_url, "SELECT paused FROM aq_limit") == [(1,)]


async def test_two_running_jobs_of_a_key_are_refused_by_the_index_and_the_claim_is_run_again(schema_url: str):
    async with open_store(schema_url) as session:
        await session.perform(Enqueue((new_job("a", key="k"), new_job("b", key="k"))))
        sql(schema_url, "UPDATE aq_job SET state='dead',dead_reason='x',finished_at=1 WHERE id=1")
        run_the_other = (
            "UPDATE aq_job SET state='running',worker='x',claim_nonce='x',lease_until=1,dead_reason=NULL,"
            "finished_at=NULL WHERE id=1"
        )
        operation = Interrupted(Claim("w", "n", 1, lease_ms=1000), lambda: sql(schema_url, run_the_other))
        reply = await session.perform(operation)
        assert (reply.jobs, operation.tried) == ((), 2)


async def test_eight_connections_claim_no_job_twice_and_keep_order_and_limits(schema_url: str):
    rules = {"t": TaskRule(max_running=7)}
    jobs = tuple(new_job(f"j{n}", key=f"k{n % 5}" if n % 2 else None) for n in range(60))

    async def work(number: int) -> None:
        async with open_store(schema_url) as session:
            idle = turn = 0
            while idle < 3:
                turn += 1
                claim = Claim(f"w{number}", f"n{number}.{turn}", 4, lease_ms=10**6, rules=rules)
                taken = (await session.perform(claim)).jobs
                counts = await session.perform(Census())
                assert counts["running"] <= 7
                idle = 0 if taken or counts["pending"] else idle + 1
                for row in taken:
                    await session.perform(Settle(row.id, f"w{number}", Succeed(row.life.attempt)))

    async with open_store(schema_url) as session:
        await session.perform(Enqueue(jobs))
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(work, number)
        assert (await session.perform(Census()))["succeeded"] == 60
        assert await session.perform(SAFETY_ONLY) == ()
    order = sql(
        schema_url,
        "SELECT j.order_key,e.job_id FROM aq_event e JOIN aq_job j ON j.id=e.job_id WHERE e.kind='claimed' "
        "AND j.order_key IS NOT NULL ORDER BY j.order_key,e.seq",
    )
    assert order == sorted(order)
    workers = sql(schema_url, "SELECT count(DISTINCT worker) FROM aq_event WHERE kind='claimed'")
    assert workers[0][0] > 1, "one connection did it all, so nothing was proved"


async def test_renewal_of_a_batch_is_in_the_order_of_its_leases(schema_url: str):
    async with open_store(schema_url) as session:
        await session.perform(Enqueue(tuple(new_job(f"j{n}") for n in range(3))))
        rows = (await session.perform(Claim("w", "n", 3, lease_ms=1000))).jobs
        await session.perform(Settle(rows[1].id, "w", Succeed(1)))
        renewals = await session.perform(Renew(tuple(Lease(row.id, 1, 5000) for row in reversed(rows))))
        assert [renewal.held for renewal in renewals] == [True, False, True]


# Time and schema


async def test_time_is_the_servers_whatever_this_machines_clock_shows(schema_url: str, monkeypatch: pytest.MonkeyPatch):
    now = "SELECT (extract(epoch FROM clock_timestamp())*1000)::bigint"
    monkeypatch.setattr(SystemClock, "now_ms", lambda _: 5)
    before = sql(schema_url, now)[0][0]
    async with PostgresStore(schema_url).open(clock=SystemClock(), random=Random(0)) as session:
        await session.perform(Enqueue((new_job("a"),)))
        (row,) = (await session.perform(Claim("w", "n", 1, lease_ms=1000))).jobs
        assert row.life.lease_until is not None
        assert before <= row.created_at <= row.life.lease_until - 1000 <= sql(schema_url, now)[0][0]


@pytest.mark.parametrize("shift_ms", [-3_600_000, 3_600_000])
async def test_a_deadline_is_one_of_the_servers_clock(schema_url: str, monkeypatch: pytest.MonkeyPatch, shift_ms: int):
    """On a machine whose clock is an hour off: what has ten minutes left runs, and what is over does not."""
    right = SystemClock.now_ms
    monkeypatch.setattr(SystemClock, "now_ms", lambda clock: right(clock) + shift_ms)
    q, called = Queue(schema_url, random=Random(0)), list[str]()

    @q.task()
    async def work(ctx: Context, name: str) -> float:
        called.append(name)
        return ctx.deadline - anyio.current_time()

    async with q:
        over = await work.options(deadline=0.001).enqueue("over")
        while sql(schema_url, "SELECT (extract(epoch FROM clock_timestamp())*1000)::bigint<=deadline FROM aq_job")[0][
            0
        ]:
            pass
        job = await work.options(deadline=600).enqueue("in time")
        await q.run_until_idle()
        assert called == ["in time"]
        assert 500 < await job.result() <= 600
        assert (await over.info()).dead_reason == "expired"


async def test_a_newer_schema_is_refused_untouched(schema_url: str):
    async with open_store(schema_url):
        pass
    sql(schema_url, "UPDATE aq_meta SET value=99 WHERE key='schema'")
    with pytest.raises(SchemaMismatch, match="version 99"):
        async with open_store(schema_url):
            pass
    assert sql(schema_url, "SELECT value FROM aq_meta WHERE key='schema'") == [(99,)]


async def test_stores_that_are_opened_at_once_make_the_tables_once(schema_url: str):
    async def open_and_close() -> None:
        async with open_store(schema_url) as session:
            await session.perform(Census())

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(open_and_close)
    assert len(sql(schema_url, "SELECT key FROM aq_meta")) == 2
