"""Writes of a handler with its settlement, and jobs with the writes of their enqueuer: one transaction each."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from aqueue import (
    BadOption,
    Context,
    LeaseLost,
    MemoryStore,
    Queue,
    Retry,
    SqliteStore,
    StoreUnavailable,
    WriteRefused,
)
from aqueue.store.operations import Settle
from tests.aqueue.support import FaultyStore, fail_first

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    with user(path) as connection:
        connection.execute("CREATE TABLE receipt(id INTEGER PRIMARY KEY, amount INTEGER)")
        connection.execute("CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER)")
        connection.execute("INSERT INTO account VALUES(1, 10)")
    return path


@contextmanager
def user(path: Path, **options: Any) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, **({"isolation_level": None} | options))
    try:
        yield connection
    finally:
        connection.close()


def receipts(path: Path) -> list[tuple[int, int]]:
    with user(path) as connection:
        return connection.execute("SELECT id, amount FROM receipt ORDER BY id").fetchall()


def make(path: Path, *statements: tuple[Any, ...], store: Any = None, retry: Retry | None = None) -> tuple[Queue, Any]:
    """A queue whose handler writes these statements in tx()."""
    q = Queue(store or SqliteStore(str(path), durability="process"), random=Random(0))

    @q.task(retry=retry or Retry(2, base=0))
    async def pay(ctx: Context) -> str:
        async with ctx.tx() as tx:
            for sql, *rest in statements:
                tx.execute(sql, *rest[:1], rows=rest[1] if len(rest) > 1 else None)
            tx.result = "paid"
        return "paid"

    return q, pay


INSERT = ("INSERT INTO receipt VALUES(?, ?)", (1, 5))


async def test_writes_and_success_are_one_transaction(path: Path):
    q, pay = make(path, INSERT)
    async with q.testing() as t:
        job = await pay.enqueue()
        await t.drain()
        assert (await job.result(), receipts(path)) == ("paid", [(1, 5)])
        assert await q.check(grace=60) == ()


@pytest.mark.parametrize(("point", "written"), [("settle.txn", False), ("settle.reply", True)])
async def test_a_crash_at_the_commit_leaves_both_or_neither_and_the_end_is_exactly_once(
    path: Path, point: str, written: bool
):
    q, pay = make(path, ("INSERT INTO receipt(amount) VALUES(5)",))  # twice would be two rows
    async with q.testing() as t:
        job = await pay.enqueue()
        t.crash_at(point)
        await t.drain()
        assert (len(receipts(path)), (await job.info()).state) == (written, "succeeded" if written else "running")
        await t.advance(31)
        assert (len(receipts(path)), await job.result()) == (1, "paid")


@pytest.mark.parametrize("fault", ["lose", "lose reply"])
async def test_a_lost_commit_or_reply_is_asked_again_and_writes_once(path: Path, fault: str):
    store = FaultyStore(SqliteStore(str(path), durability="process"), fail_first(2, fault, Settle))
    q, pay = make(path, ("INSERT INTO receipt(amount) VALUES(5)",), store=store)
    async with q:
        job = await pay.enqueue()
        await q.run_until_idle()
        assert (len(receipts(path)), (await job.info()).attempt) == (1, 1)


async def test_a_zombie_writes_nothing(path: Path):
    q = Queue(SqliteStore(str(path), durability="process"), random=Random(0))
    heard: list[type[Exception]] = []

    @q.task()
    async def pay(ctx: Context) -> None:
        if ctx.attempt == 1:
            t._clock.now += 31_000  # its process stood still for longer than its lease
            await t._fire_and_sweep()
        try:
            async with ctx.tx() as tx:
                tx.execute("INSERT INTO receipt(amount) VALUES(?)", (ctx.attempt,))
        except LeaseLost as error:
            heard.append(type(error))
            raise

    async with q.testing() as t:
        await pay.enqueue()
        await t.drain()
        assert [amount for _, amount in receipts(path)] == [2]
        assert heard == [LeaseLost]
        assert await q.check() == ()


async def test_a_guard_that_does_not_hold_refuses_everything_and_the_job_goes_on(path: Path):
    q = Queue(SqliteStore(str(path), durability="process"), random=Random(0))

    @q.task()
    async def withdraw(ctx: Context, amount: int) -> str:
        try:
            async with ctx.tx() as tx:
                tx.execute("INSERT INTO receipt VALUES(1, ?)", (amount,))
                tx.execute("UPDATE account SET balance=balance-? WHERE id=1 AND balance>=?", (amount, amount), rows=1)
                tx.result = "done"
        except WriteRefused:
            return "too little"
        return "not the result"

    async with q.testing() as t:
        jobs = [await withdraw.enqueue(99), await withdraw.enqueue(4)]
        await t.drain()
        assert [await job.result() for job in jobs] == ["too little", "done"]
        assert receipts(path) == [(1, 4)]


REFUSED = {
    "a commit": ("COMMIT",),
    "a rollback": ("ROLLBACK",),
    "a savepoint": ("SAVEPOINT x",),
    "a release of ours": ("RELEASE operation",),
    "a new table": ("CREATE TABLE x(y)",),
    "a drop": ("DROP TABLE receipt",),
    "a pragma": ("PRAGMA synchronous=OFF",),
    "an attached file": ("ATTACH ':memory:' AS other",),
    "our own rows": ("UPDATE aq_job SET attempt=0",),
    "our own rows by another case": ("DELETE FROM AQ_EVENT",),
    "reading our rows": ("INSERT INTO receipt SELECT id, 1 FROM aq_job",),
    "two statements": ("INSERT INTO receipt VALUES(8,8); COMMIT",),
    "no statement": ("INSERT INTO nowhere VALUES(1)",),
    "no sql": ("pay, please",),
    "a duplicate": ("INSERT INTO receipt VALUES(1, 6)",),
    "a value sqlite cannot keep": ("INSERT INTO receipt VALUES(?, 1)", (2**70,)),
    "a value of no type": ("INSERT INTO receipt VALUES(?, 1)", (object(),)),
    "too few values": ("INSERT INTO receipt VALUES(?, ?)", (1,)),
    "a rollback by conflict": ("INSERT OR ROLLBACK INTO receipt VALUES(1, 6)",),
    "rows that are not there": ("UPDATE account SET balance=0 WHERE id=7", (), 1),
}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED.keys())
async def test_a_statement_it_may_not_run_undoes_the_transaction_and_nothing_else(path: Path, statement: Any):
    q, pay = make(path, INSERT, statement)
    async with q.testing() as t:
        job = await pay.enqueue()
        await t.drain()
        info = await job.info()
        assert (info.dead_reason, receipts(path)) == ("exhausted", [])
        assert "AQ032" in (info.error or "")
        assert await q.check() == ()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_statement_that_ends_the_transaction_of_a_group_spoils_nobody_elses(path: Path):
    """Group commit: the other operations of the batch are run again without it."""
    q, pay = make(path, INSERT, ("INSERT OR ROLLBACK INTO receipt VALUES(1, 6)",), retry=Retry(1))

    @q.task()
    async def other() -> int:
        return 1

    async with q:
        jobs = await q.enqueue_many([pay.job(), *(other.job() for _ in range(8))])
        await q.run_until_idle(concurrency=9)
        infos = [await job.info() for job in jobs]
        assert [info.state for info in infos] == ["dead", *["succeeded"] * 8]
        assert await q.check() == ()


async def test_what_comes_after_tx_changes_nothing(path: Path):
    q = Queue(SqliteStore(str(path), durability="process"), random=Random(0))
    heard: list[str] = []

    @q.task(timeout=5)
    async def pay(ctx: Context, how: str) -> str:
        async with ctx.tx() as tx:
            tx.result = how
        if how == "again":
            with pytest.raises(WriteRefused, match="earlier tx"):
                async with ctx.tx():
                    pass
        if how == "once":
            with pytest.raises(LeaseLost):
                async with ctx.once("k"):
                    pass
        if how == "raise":
            raise OSError(how)
        heard.append(how)
        return "dropped"

    async with q.testing() as t:
        jobs = [await pay.enqueue(how) for how in ("return", "raise", "again", "once")]
        await t.drain()
        assert [await job.result() for job in jobs] == ["return", "raise", "again", "once"]
        assert [(await job.info()).attempt for job in jobs] == [1, 1, 1, 1]
        assert heard == ["return", "again", "once"]


async def test_an_exception_in_the_block_drops_what_was_gathered(path: Path):
    q = Queue(SqliteStore(str(path), durability="process"), random=Random(0))

    @q.task(retry=Retry(2, base=0))
    async def pay(ctx: Context) -> str:
        async with ctx.tx() as tx:
            tx.execute(*INSERT)
            if ctx.attempt == 1:
                raise OSError
        return ""

    async with q.testing() as t:
        job = await pay.enqueue()
        await t.drain()
        assert (receipts(path), (await job.info()).attempt) == ([(1, 5)], 2)


async def test_a_cancel_while_leaving_tx_commits_first(path: Path):
    q = Queue(SqliteStore(str(path), durability="process"), random=Random(0))

    @q.task()
    async def pay(ctx: Context) -> None:
        async with ctx.tx() as tx:
            tx.execute(*INSERT)
            host.cancel()
        await anyio.sleep_forever()

    async with q:
        job = await pay.enqueue()
        with anyio.CancelScope() as host:
            async with q.worker():
                await anyio.sleep_forever()
        assert ((await job.info()).state, receipts(path)) == ("succeeded", [(1, 5)])
        assert await q.check() == ()


async def test_an_unanswered_tx_is_not_followed_by_another(path: Path):
    store = FaultyStore(SqliteStore(str(path), durability="process"), fail_first(99, "lose reply", Settle))
    q = Queue(store, random=Random(0))
    heard: list[type[Exception]] = []
    both = anyio.Event()

    @q.task()
    async def pay(ctx: Context) -> None:
        for amount in (1, 2):
            try:
                async with ctx.tx() as tx:
                    tx.execute("INSERT INTO receipt(amount) VALUES(?)", (amount,))
            except (StoreUnavailable, WriteRefused) as error:
                heard.append(type(error))
        both.set()

    async with q:
        await pay.enqueue()
        async with q.worker(drain=20):
            await both.wait()
        assert (heard, [amount for _, amount in receipts(path)]) == ([StoreUnavailable, WriteRefused], [1])


async def test_the_memory_store_has_no_tables_of_the_user():
    q, pay = make(Path(), INSERT, store=MemoryStore())
    async with q.testing() as t:
        job = await pay.enqueue()
        await t.drain()
        assert "memory store" in ((await job.info()).error or "")


# Follow-ups.


@pytest.mark.parametrize("point", ["settle.txn", "settle.reply"])
async def test_follow_ups_exist_if_and_only_if_their_job_succeeded(path: Path, point: str):
    q = Queue(SqliteStore(str(path), durability="process"), random=Random(0), max_pending=1)
    ran: list[int] = []

    @q.task()
    async def child(number: int) -> None:
        ran.append(number)

    @q.task(retry=Retry(2, base=0))
    async def parent(ctx: Context) -> None:
        ctx.follow_up(child.job(ctx.attempt), child.job(ctx.attempt))
        if ctx.attempt == 1:
            raise OSError

    async with q.testing() as t:
        await parent.enqueue()
        t.crash_at(point, nth=2)
        await t.drain()
        await t.advance(31)
        # The crash is at the attempt that returns; before its commit the job's failures are used up by the lost lease.
        assert ran == ([2, 2] if point == "settle.reply" else [])
        assert await q.check(grace=60) == ()


# Enqueueing in the user's own transaction.


def plain(path: Path) -> tuple[Queue, Any]:
    q = Queue(SqliteStore(str(path), durability="process"), random=Random(0))

    @q.task()
    async def work() -> int:
        return 7

    return q, work


@pytest.mark.parametrize("is_committed", [True, False])
@pytest.mark.parametrize("order", ["row first", "job first"])
async def test_a_job_and_its_enqueuers_rows_are_there_together_or_not_at_all(
    path: Path, is_committed: bool, order: str
):
    q, work = plain(path)
    async with q:
        with user(path, isolation_level="") as connection:  # as sqlite3.connect gives it by default
            if order == "row first":
                connection.execute(*INSERT)
            job = await work.options(tx=connection).enqueue()
            if order == "job first":
                connection.execute(*INSERT)
            assert receipts(path) == [], "nobody else sees it before the commit"
            connection.commit() if is_committed else connection.rollback()
        assert (len(receipts(path)), (await q.counts())["pending"]) == (is_committed, is_committed)
        if is_committed:
            await q.run_until_idle()
            assert await job.result() == 7


async def test_many_jobs_go_into_the_users_transaction_and_a_description_takes_none(path: Path):
    q, work = plain(path)
    async with q:
        with user(path, isolation_level="") as connection:
            await q.enqueue_many([work.job(), work.job()], tx=connection)
            with pytest.raises(BadOption, match="enqueue_many"):
                work.options(tx=connection).job()
            connection.commit()
        assert (await q.counts())["pending"] == 2


async def test_a_full_queue_leaves_the_users_transaction_as_it_was(path: Path):
    q = Queue(SqliteStore(str(path), durability="process"), random=Random(0))

    @q.task(max_pending=1)
    async def work() -> None: ...

    async with q:
        await work.enqueue()
        with user(path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(*INSERT)
            with pytest.raises(Exception, match="AQ009"):
                await work.options(tx=connection).enqueue()
            connection.execute("COMMIT")
        assert (receipts(path), (await q.counts())["pending"]) == ([(1, 5)], 1)


async def test_a_connection_that_cannot_carry_the_job_is_refused(path: Path, tmp_path: Path):
    q, work = plain(path)
    memory = Queue("memory:")

    @memory.task()
    async def elsewhere() -> None: ...

    async with q, memory:
        with user(path) as connection:
            with pytest.raises(BadOption, match="in no transaction"):
                await work.options(tx=connection).enqueue()
            with pytest.raises(BadOption, match="MemoryStore"):
                await elsewhere.options(tx=connection).enqueue()
        with pytest.raises(BadOption, match="AQ003"):
            await work.options(tx=connection).enqueue()  # closed
        with user(tmp_path / "other.db") as other, pytest.raises(BadOption, match=r"other\.db"):
            await work.options(tx=other).enqueue()
        with user(Path(":memory:")) as other, pytest.raises(BadOption, match="memory"):
            await work.options(tx=other).enqueue()
        with pytest.raises(BadOption, match=r"no sqlite3\.Connection"):
            await work.options(tx="jobs.db").enqueue()
        assert (await q.counts())["pending"] == 0


async def test_the_users_own_row_factory_stays(path: Path):
    q, work = plain(path)
    async with q:
        with user(path, isolation_level="") as connection:
            connection.row_factory = sqlite3.Row
            await work.options(tx=connection).enqueue()
            assert connection.row_factory is sqlite3.Row
            connection.commit()
        assert (await q.counts())["pending"] == 1
