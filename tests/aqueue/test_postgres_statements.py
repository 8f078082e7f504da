"""The user's own statements on a PostgreSQL server: in a job's transaction, and jobs in the user's transactions."""

from random import Random
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from aqueue import (
    BadOption,
    Context,
    Queue,
    Retry,
)
from aqueue.store.postgres.guard import fault_of
from tests.aqueue.on_postgres import sql

pytestmark = pytest.mark.anyio


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
