"""What is SQLite's own: group commit, locks, durability, and what callers hear when the store dies."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace

from aqueue import (
    BadOption,
    JobDead,
    LeaseLost,
    Queue,
    QueueClosed,
    Retry,
    Snooze,
    SqliteStore,
    StoreUnavailable,
    WriteRefused,
    log,
)
from aqueue.lifecycle import Fail, Succeed
from aqueue.store.group import GroupSession
from aqueue.store.ledger import BeginEffect, RecordEffect
from aqueue.store.operations import Cancel, Claim, Enqueue, Settle, Statement
from aqueue.store.questions import Census, Inspect, Verify
from aqueue.store.rows import Narrowing
from aqueue.store.sqlite import store as sqlite
from aqueue.store.sqlite.schema import create_schema
from aqueue.store.sqlite.tables import SqliteTables
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import SAFETY_ONLY, new_job

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "jobs.db")


def open_store(path: str, **options: Any) -> Any:
    return SqliteStore(path, durability="process", **options).open(clock=ManualClock(), random=Random(0))


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The operations of each transaction, by name."""
    seen: list[list[str]] = []
    commit = sqlite.commit_batch

    def counted(connection: sqlite3.Connection, operations: list[Any], now: int) -> list[Any]:
        seen.append([type(operation).__name__ for operation in operations])
        return commit(connection, operations, now)

    monkeypatch.setattr(sqlite, "commit_batch", counted)
    return seen


async def test_operations_that_wait_at_once_share_one_transaction(path: str, commits: list[list[str]]):
    async with open_store(path) as session, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(session.perform, Enqueue((new_job(f"n{number}"),)))
    assert sum(map(len, commits)) == 20
    assert len(commits) <= 2


async def test_an_operation_that_fails_fails_alone(path: str, commits: list[list[str]]):
    heard: list[object] = []

    async def settle_what_is_not_there() -> None:
        try:
            await session.perform(Settle(99, "w", Succeed(1)))
        except LeaseLost as error:
            heard.append(error)

    async with open_store(path) as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.perform, Enqueue((new_job("a"),)))
            tasks.start_soon(settle_what_is_not_there)
            tasks.start_soon(session.perform, Enqueue((new_job("b"),)))
        assert (await session.perform(Census()))["pending"] == 2
    assert len(heard) == 1
    assert sorted(commits[-2]) == ["Enqueue", "Enqueue", "Settle"] or len(commits) > 2


async def test_of_operations_sent_together_each_has_its_own_answer(path: str):
    """One that raises is undone alone, its line of the log too, whatever comes before and after it."""
    async with open_store(path) as session:
        await session.perform(Enqueue((new_job("a"), new_job("b"))))
        first, second = (await session.perform(Claim("w", "nonce", 2, lease_ms=1000))).jobs
        refused = Settle(first.id, "w", Succeed(1), writes=(Statement("INSERT INTO nowhere VALUES(1)"),))
        answers = await session.perform_all(
            [Enqueue((new_job("c"),)), refused, Settle(second.id, "w", Succeed(1)), Settle(99, "w", Succeed(1))]
        )
        assert [type(error) for _, error in answers] == [type(None), WriteRefused, type(None), LeaseLost]
        assert answers[2][0] == "succeeded"
        assert await session.perform_all([]) == []
        assert dict(await session.perform(Census()))["running"] == 1
        inspected = await session.perform(Inspect(first.id))
        assert [event.kind for event in inspected.events] == ["enqueued", "claimed"]
        assert await session.perform(Verify(10**15, 0)) == ()


async def test_rows_and_counts_read_ahead_are_never_older_than_the_transaction(path: str):
    """A settlement whose job, or whose ledger, was changed by an operation before it in the same commit sees that."""
    async with open_store(path) as session:
        await session.perform(Enqueue((new_job("a"), new_job("b"))))
        first, second = (await session.perform(Claim("w", "nonce", 2, lease_ms=1000))).jobs
        await session.perform(BeginEffect(second.id, 1, "key", "n"))
        answers = await session.perform_all(
            [
                Cancel(first.id),
                RecordEffect(second.id, 1, "key", b"1"),
                Settle(first.id, "w", Fail(1, run_at=0)),
                Settle(second.id, "w", Succeed(1)),
            ]
        )
        assert [answers[2][0], answers[3][0]] == ["cancelled", "succeeded"], answers
        inspected = await session.perform(Inspect(second.id))
        assert inspected.events[-1].detail == "effects=1"


def test_a_row_that_was_read_ahead_is_forgotten_when_another_is_written_over_it(path: str):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        create_schema(connection)
        tables = SqliteTables(connection)
        Enqueue((new_job("a"), new_job("b"))).apply(tables, 0)
        tables.foresee([1, 2])
        (row, _) = tables.ready(0, 2, Narrowing())
        changed = replace(row, error="changed")
        tables.replace_job(row, changed)
        assert tables.job(1) == changed


async def test_a_caller_who_is_cancelled_has_its_operation_carried_out(path: str):
    async with open_store(path) as session:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await session.perform(Enqueue((new_job("a"),)))
        assert scope.cancelled_caught
        assert (await session.perform(Census()))["pending"] == 1


async def test_what_is_posted_before_the_end_is_written(path: str):
    async with open_store(path) as session:
        session.post(Enqueue((new_job("a"),)))
    session.post(Enqueue((new_job("b"),)))  # too late: dropped
    with pytest.raises(QueueClosed):
        await session.perform(Census())
    async with open_store(path) as session:
        assert (await session.perform(Census()))["pending"] == 1


async def test_a_commit_that_fails_is_heard_by_every_caller_and_may_be_repeated(
    path: str, monkeypatch: pytest.MonkeyPatch
):
    commit, broken = sqlite.commit_batch, [True]

    def failing(connection: sqlite3.Connection, operations: list[Any], now: int) -> list[Any]:
        replies = commit(connection, operations, now)
        if broken[0]:
            raise sqlite3.OperationalError("disk I/O error")  # after the commit: it has happened
        return replies

    monkeypatch.setattr(sqlite, "commit_batch", failing)
    async with open_store(path) as session:
        with pytest.raises(StoreUnavailable, match=r"AQ011.*disk I/O error"):
            await session.perform(Enqueue((new_job("a"),)))
        with pytest.raises(StoreUnavailable):
            await session.perform(Claim("w", "nonce", 1, lease_ms=1000))
        broken[0] = False
        (enqueued,) = await session.perform(Enqueue((new_job("a"),)))
        (claimed,) = (await session.perform(Claim("w", "nonce", 1, lease_ms=1000))).jobs
        assert (enqueued.job_id, claimed.id, claimed.life.attempt) == (1, 1, 1)
        assert (await session.perform(Census())) == {
            "pending": 0, "running": 1, "succeeded": 0, "dead": 0, "cancelled": 0
        }  # fmt: skip


class Faulty:
    """An operation with a fault of its own, after it has written."""

    def __init__(self, inner: Any, fault: Exception) -> None:
        self.inner, self.fault = inner, fault

    def apply(self, tables: Any, now: int) -> Any:
        self.inner.apply(tables, now)
        raise self.fault


async def test_an_operation_with_a_fault_of_its_own_fails_alone_whatever_the_fault(path: str):
    async with open_store(path) as session:
        operations: list[Any] = [
            Enqueue((new_job("a"),)),
            Enqueue((new_job("huge", attempts=2**70),)),  # no integer of SQLite's
            Enqueue((new_job("half a pair \ud800"),)),
            Faulty(Enqueue((new_job("b"),)), KeyError("a mistake")),
            Enqueue((new_job("c"),)),
        ]
        answers = await session.perform_all(operations)
        assert [type(error) for _, error in answers] == [type(None), BadOption, BadOption, KeyError, type(None)]
        assert "AQ003 SQLite cannot store Enqueue" in str(answers[1][1])
        assert (await session.perform(Census()))["pending"] == 2
        assert await session.perform(SAFETY_ONLY) == ()


async def test_trouble_with_the_file_is_everybodys(path: str):
    async with open_store(path) as session:
        fault = sqlite3.OperationalError("disk I/O error")
        fault.sqlite_errorcode = sqlite3.SQLITE_IOERR
        answers = await session.perform_all([Enqueue((new_job("a"),)), Faulty(Enqueue((new_job("b"),)), fault)])
        assert [type(error) for _, error in answers] == [StoreUnavailable] * 2
        assert (await session.perform(Census()))["pending"] == 0


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_worker_goes_on_when_a_settlement_cannot_be_stored(path: str):
    """A handler wants to go on in ten billion years, in milliseconds: more than 64 bits. Its lease runs out instead."""
    q = Queue(SqliteStore(path, durability="process"), random=Random(0), poll=0.1)

    @q.task(retry=Retry(1), lease=0.05)
    async def endless() -> None:
        raise Snooze(3e17)

    @q.task(retry=Retry(1))
    async def odd() -> None:
        raise OSError("half a pair \ud800")

    async with q, q.worker(sweep=0.05):
        job = await endless.enqueue()
        with pytest.raises(JobDead):
            await job.result(timeout=30)
        with pytest.raises(JobDead, match=r"OSError: half a pair \\ud800"):
            await (await odd.enqueue()).result(timeout=30)
        assert await q.check() == ()


async def test_a_file_that_another_process_has_locked_is_waited_for(path: str):
    async with open_store(path) as session:
        blocker = sqlite3.connect(path, isolation_level=None)
        try:
            blocker.execute("BEGIN IMMEDIATE")

            async def unlock() -> None:
                await anyio.lowlevel.checkpoint()
                blocker.execute("COMMIT")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(session.perform, Enqueue((new_job("a"),)))
                tasks.start_soon(unlock)
        finally:
            blocker.close()
        assert (await session.perform(Census()))["pending"] == 1


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"no database, but long enough to be taken for one" * 50)
    with pytest.raises(StoreUnavailable, match="not a database"):
        async with open_store(str(junk)):
            pass


@pytest.mark.parametrize(("durability", "synchronous"), [("power", 2), ("process", 1)])
async def test_durability_is_what_sqlite_is_told(path: str, durability: Any, synchronous: int):
    connection = sqlite.connect_file(path, SqliteStore(path, durability=durability)._synchronous)
    try:
        assert connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        connection.close()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_when_the_flusher_is_killed_every_caller_hears_it(path: str, monkeypatch: pytest.MonkeyPatch):
    """asyncio's Task.cancel goes through anyio's shields: nobody may wait for a reply that cannot come."""
    import asyncio

    async def kill(*_: object) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await anyio.lowlevel.checkpoint()

    heard: list[type[BaseException]] = []

    async def call(session: Any) -> None:
        try:
            await session.perform(Census())
        except BaseException as error:
            heard.append(type(error))
            raise

    async def main() -> None:
        async with open_store(path) as session:
            monkeypatch.setattr(GroupSession, "_flush", kill)
            with anyio.CancelScope(shield=True):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(call, session)
                    tasks.start_soon(call, session)

    with pytest.raises(BaseExceptionGroup):
        await main()
    assert StoreUnavailable in heard
    assert all(issubclass(kind, StoreUnavailable | asyncio.CancelledError) for kind in heard)


async def test_two_queues_on_one_file_share_the_work_and_double_nothing(path: str):
    ran: list[int] = []

    def make(seed: int) -> tuple[Queue, Any]:
        q = Queue(f"sqlite:///{path}", durability="process", random=Random(seed))

        @q.task()
        async def work(number: int) -> None:
            ran.append(number)

        return q, work

    (a, work), (b, _) = make(1), make(2)
    async with a, b:
        async with a.worker(concurrency=3), b.worker(concurrency=3):
            jobs = await a.enqueue_many(work.job(number) for number in range(30))
            for job in jobs:
                await job.result(timeout=60)
        assert await b.check(grace=60) == ()
    assert sorted(ran) == list(range(30))


CRASH = """
import os, sys, anyio
from aqueue import Queue

async def main():
    q = Queue(sys.argv[1])

    @q.task()
    async def work(number: int) -> int:
        return number

    async with q:
        await work.enqueue(7)
        os._exit(9)  # no finally, no except, no close

anyio.run(main)
"""


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_acknowledged_job_survives_the_death_of_its_process(path: str):
    root = Path(__file__).parents[2]
    crashed = await anyio.run_process(
        [sys.executable, "-c", CRASH, f"sqlite:///{path}"], check=False, cwd=root, stderr=subprocess.STDOUT
    )
    assert (crashed.returncode, crashed.stdout) == (9, b"")
    q = Queue(f"sqlite:///{path}")

    @q.task()
    async def work(number: int) -> int:
        return number

    async with q:
        await q.run_until_idle()
        assert await q.job(1).result() == 7


# What happens to the file.


def spoil(monkeypatch: pytest.MonkeyPatch, pragma: str) -> None:
    """Have every connection made from now on be told this: SQLite then fails as it does on such a disk."""
    connect = sqlite.connect_file

    def spoiled(path: str, synchronous: str) -> sqlite3.Connection:
        connection = connect(path, synchronous)
        connection.execute(pragma)
        return connection

    monkeypatch.setattr(sqlite, "connect_file", spoiled)


@pytest.mark.parametrize(
    ("pragma", "told"),
    [("PRAGMA query_only=ON", "readonly database"), ("PRAGMA max_page_count=1", "database or disk is full")],
    ids=["read-only", "full"],
)
async def test_a_file_that_cannot_be_written_says_so_and_loses_nothing(
    path: str, pragma: str, told: str, monkeypatch: pytest.MonkeyPatch
):
    async with open_store(path) as session:
        await session.perform(Enqueue((new_job("kept"),)))
    with monkeypatch.context() as patched:
        spoil(patched, pragma)
        async with open_store(path) as session:
            with pytest.raises(StoreUnavailable, match=rf"AQ011.*{told}"):
                await session.perform(Enqueue(tuple(new_job(f"n{number}") for number in range(500))))
    async with open_store(path) as session:
        assert (await session.perform(Census()))["pending"] == 1


async def test_a_file_that_is_damaged_says_so(path: str):
    async with open_store(path) as session:
        await session.perform(Enqueue(tuple(new_job(f"n{number}") for number in range(500))))
    damage(path)
    with pytest.raises(StoreUnavailable, match=r"AQ011.*malformed"):
        await look(path)


def damage(path: str) -> None:
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))


async def look(path: str) -> None:
    async with open_store(path) as session:
        await session.perform(Census())
        await session.perform(Enqueue((new_job("x"),)))


async def test_a_file_that_stays_locked_is_named_after_a_bounded_wait(path: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite, "LOCKED_TRIES", 3)
    monkeypatch.setattr(sqlite, "LOCKED_PAUSE_SECONDS", 0)
    async with open_store(path) as session:
        blocker = sqlite3.connect(path, isolation_level=None)
        try:
            blocker.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match=r"AQ011.*stayed locked"):
                await session.perform(Enqueue((new_job("a"),)))
            blocker.execute("ROLLBACK")
        finally:
            blocker.close()
        await session.perform(Enqueue((new_job("a"),)))


async def test_a_folder_that_is_not_there_says_so(tmp_path: Path):
    with pytest.raises(StoreUnavailable, match=r"AQ011.*unable to open"):
        async with open_store(str(tmp_path / "nowhere" / "jobs.db")):
            pass


@pytest.mark.parametrize(("seconds", "told"), [(60.0, 1), (0.0, 3)], ids=["within a minute", "once in a while"])
async def test_a_trouble_that_goes_on_is_told_once_and_so_is_its_end(
    path: str, seconds: float, told: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(log, "AGAIN_SECONDS", seconds)
    async with open_store(path) as session:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("ALTER TABLE aq_job RENAME TO gone")
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="no such table"):
                await session.perform(Enqueue((new_job("a"),)))
        other.execute("ALTER TABLE gone RENAME TO aq_job")
        for uid in ("a", "b"):
            await session.perform(Enqueue((new_job(uid),)))
        other.close()
    words = [record.getMessage().partition(" ")[0] for record in caplog.records if record.levelname == "WARNING"]
    assert words == ["event='store.commit_failed'"] * told + ["event='store.answers_again'"]
