"""What is PostgreSQL's own: transactions side by side, lost connections, hints, the server's clock, the user's SQL."""

from collections.abc import Callable
from random import Random
from typing import Any

import anyio
import psycopg
import pytest
from psycopg.rows import dict_row

from aqueue import (
    BadOption,
    BadUrl,
    Context,
    LeaseLost,
    Queue,
    Retry,
    SchemaMismatch,
    StoreUnavailable,
    SystemClock,
)
from aqueue.lifecycle import Fail, Succeed
from aqueue.store.limits import Pause, TaskRule
from aqueue.store.operations import Claim, Enqueue, Lease, Renew, Settle
from aqueue.store.postgres import PostgresStore
from aqueue.store.postgres_guard import fault_of
from aqueue.store.postgres_hints import decoded
from aqueue.store.questions import Census, Inspect
from aqueue.store.rows import Narrowing
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import SAFETY_ONLY, new_job

pytestmark = pytest.mark.anyio


def open_store(url: str) -> Any:
    return PostgresStore(url).open(clock=ManualClock(), random=Random(0))


def sql(url: str, statement: str, *values: object) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


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


# Connections


async def test_a_lost_connection_is_heard_and_the_next_operation_has_a_new_one(schema_url: str):
    async with open_store(schema_url) as session:
        await session.perform(Enqueue((new_job("a"),)))
        killed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name='aqueue' AND query<>''"
        assert sql(schema_url, killed)
        with pytest.raises(StoreUnavailable, match="AQ011"):
            await session.perform(Census())
        (enqueued,) = await session.perform(Enqueue((new_job("a"),)))
        assert (enqueued.job_id, (await session.perform(Census()))["pending"]) == (1, 1)


async def test_a_worker_goes_on_when_every_connection_is_cut(schema_url: str):
    q = Queue(schema_url, random=Random(0), poll=0.05)

    @q.task(retry=Retry(5, base=0))
    async def work(number: int) -> int:
        if number % 10 == 0:
            await anyio.to_thread.run_sync(
                sql,
                schema_url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name='aqueue'",
            )
        return number

    async with q, q.worker(concurrency=4):
        jobs = await q.enqueue_many(work.job(number) for number in range(30))
        assert [await job.result(timeout=60) for job in jobs] == list(range(30))
        assert await q.check() == ()


async def test_a_server_that_is_not_there_is_said_so():
    with pytest.raises(StoreUnavailable, match="AQ011"):
        async with PostgresStore("postgresql://127.0.0.1:1/none").open(clock=ManualClock(), random=Random(0)):
            pass


def test_a_url_that_libpq_does_not_understand_is_refused():
    with pytest.raises(BadUrl, match="AQ001"):
        Queue("postgresql://host:port/database?no_such_option=1")


@pytest.mark.parametrize(("durability", "expected"), [("power", "on"), ("process", "off")])
def test_durability_is_what_the_server_is_told(schema_url: str, durability: Any, expected: str):
    with PostgresStore(schema_url, durability=durability).connect() as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == (expected,)


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


# Hints


async def test_work_and_results_are_heard_of_in_another_process_without_waiting_for_a_poll(schema_url: str):
    here, there = (Queue(schema_url, random=Random(seed), poll=1000) for seed in (1, 2))

    @there.task()
    async def work() -> int:
        return 7

    @here.task(name="work")
    async def elsewhere() -> int:
        raise AssertionError

    async with here, there, there.worker():
        for _ in range(3):
            assert await (await elsewhere.enqueue()).result(timeout=30) == 7


@pytest.mark.parametrize("payload", ["", "nonsense", "w- x y", "ww"])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_notification_that_is_not_ours_is_a_hint_at_most(payload: str):
    hint = decoded(payload)
    assert hint.settled is None or hint.settled == ()


# The user's own statements


@pytest.fixture
def app_url(schema_url: str) -> str:
    sql(schema_url, "CREATE TABLE receipt(id bigint PRIMARY KEY, amount int)")
    sql(schema_url, "CREATE TABLE line(receipt bigint REFERENCES receipt DEFERRABLE INITIALLY DEFERRED)")
    return schema_url


def paying(url: str, *statements: tuple[Any, ...]) -> tuple[Queue, Any]:
    q = Queue(url, random=Random(0))

    @q.task(retry=Retry(2, base=0))
    async def pay(ctx: Context) -> None:
        async with ctx.tx() as tx:
            for statement, *rest in statements:
                tx.execute(statement, *rest)

    return q, pay


INSERT = ("INSERT INTO receipt VALUES(%s, %s)", (1, 5))


async def test_writes_and_success_are_one_transaction(app_url: str):
    child_first = ("INSERT INTO line VALUES(1)",)  # allowed: its constraint waits for the end
    q, pay = paying(app_url, child_first, INSERT)
    async with q.testing() as t:
        t.crash_at("settle.reply")
        job = await pay.enqueue()
        await t.drain()
        await t.advance(60)
        assert (await job.info()).state == "succeeded"
        assert sql(app_url, "SELECT * FROM receipt") == [(1, 5)]


REFUSED = {
    "a commit": ("COMMIT",),
    "a rollback": ("ROLLBACK",),
    "a new table": ("CREATE TABLE x(y int)",),
    "our own rows": ("UPDATE aq_job SET attempt=0",),
    "our own rows by another name": ('DELETE FROM public."aq_event"',),
    "reading our rows": ("INSERT INTO receipt SELECT id, 1 FROM AQ_JOB",),
    "two statements": ("INSERT INTO receipt VALUES(8,8); COMMIT",),
    "no such table": ("INSERT INTO nowhere VALUES(1)",),
    "no sql": ("pay, please",),
    "a duplicate": ("INSERT INTO receipt VALUES(1, 6)",),
    "a constraint that waits": ("INSERT INTO line VALUES(77)",),
    "a value of no type": ("INSERT INTO receipt VALUES(%s, 1)", (object(),)),
    "a value too large": ("INSERT INTO receipt VALUES(%s, 1)", (2**70,)),
    "too few values": ("INSERT INTO receipt VALUES(%s, %s)", (1,)),
}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED.keys())
async def test_a_statement_it_may_not_run_undoes_the_transaction_and_nothing_else(app_url: str, statement: Any):
    q, pay = paying(app_url, INSERT, statement)

    @q.task()
    async def other() -> None: ...

    async with q:
        jobs = await q.enqueue_many([pay.job(), *(other.job() for _ in range(5))])
        await q.run_until_idle(concurrency=6)
        infos = [await job.info() for job in jobs]
        assert [info.state for info in infos] == ["dead", *["succeeded"] * 5]
        assert "AQ032" in (infos[0].error or "")
        assert sql(app_url, "SELECT * FROM receipt") == []
        assert await q.check() == ()


@pytest.mark.parametrize(
    "harmless",
    [
        "INSERT INTO note VALUES('about aq_job')",
        "INSERT INTO note VALUES(E'it\\'s aq_job') -- aq_job",
        'UPDATE "it\'s" SET x=1 /* aq_job */',
        "with x as (select 1) insert into note select $$aq_job$$",
        "DELETE FROM aq_jobs_of_mine",
    ],
)
def test_a_word_is_not_a_table(harmless: str):
    assert fault_of(harmless) is None


@pytest.mark.parametrize("sneaky", ["INSERT INTO note SELECT E'\\'' || id FROM aq_job WHERE '' = ''", "/**/ SELECT 1"])
def test_a_table_of_ours_is_found_between_texts(sneaky: str):
    assert fault_of(sneaky) is not None


@pytest.mark.parametrize("is_committed", [True, False])
async def test_a_job_and_its_enqueuers_rows_are_there_together_or_not_at_all(app_url: str, is_committed: bool):
    q, pay = paying(app_url, ("UPDATE receipt SET amount=9",))
    async with q:
        with psycopg.connect(app_url, row_factory=dict_row) as connection:
            connection.execute(*INSERT)
            await pay.options(tx=connection, unique="u").enqueue()
            again = await pay.options(tx=connection, unique="u").enqueue()
            assert not again.created
            assert (await q.counts())["pending"] == 0, "nobody else sees it before the commit"
            connection.commit() if is_committed else connection.rollback()
        assert (await q.counts())["pending"] == is_committed
        await q.run_until_idle()
        assert sql(app_url, "SELECT amount FROM receipt") == [(9,)] * is_committed
        assert await q.check() == ()


async def test_a_connection_that_cannot_carry_the_job_is_refused(app_url: str, aqueue_database: str):
    q, pay = paying(app_url)

    async def refused(connection: object, why: str) -> None:
        with pytest.raises(BadOption, match=why):
            await pay.options(tx=connection).enqueue()

    with psycopg.connect(app_url) as connection, psycopg.connect(aqueue_database) as other:
        await refused(connection, "not opened")
        async with q:
            await refused(other, "tables are not")
            await refused("postgresql://", r"no psycopg\.Connection")
            with psycopg.connect(app_url, autocommit=True) as outside:
                await refused(outside, "in no transaction")
            await refused(outside, "closed")
            with pytest.raises(psycopg.Error):
                connection.execute("SELECT 1/0")
            await refused(connection, "failed already")
            assert (await q.counts())["pending"] == 0


async def test_renewal_of_a_batch_is_in_the_order_of_its_leases(schema_url: str):
    async with open_store(schema_url) as session:
        await session.perform(Enqueue(tuple(new_job(f"j{n}") for n in range(3))))
        rows = (await session.perform(Claim("w", "n", 3, lease_ms=1000))).jobs
        await session.perform(Settle(rows[1].id, "w", Succeed(1)))
        renewals = await session.perform(Renew(tuple(Lease(row.id, 1, 5000) for row in reversed(rows))))
        assert [renewal.held for renewal in renewals] == [True, False, True]
