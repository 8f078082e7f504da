"""aiosqlite inline: no thread, one digest, its waiting in virtual time."""

import _thread
import asyncio
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

import faultloop
from faultloop import Status
from tests.drivers.support import passed, value


def counting(path: Path, *, timeout: float = 5.0, hold: float = 1.0) -> Any:
    """Three writers, each of which keeps the database locked for a while."""

    async def scenario() -> list[int]:
        path.unlink(missing_ok=True)  # noqa: ASYNC240
        async with aiosqlite.connect(path) as db:
            await db.execute("create table written (number integer)")
            await db.commit()

            async def write(number: int) -> None:
                async with aiosqlite.connect(path, timeout=timeout) as own:
                    await own.execute("begin immediate")
                    await own.execute("insert into written values (?)", (number,))
                    await asyncio.sleep(hold)
                    await own.commit()

            await asyncio.gather(*(write(number) for number in range(3)))
            async with db.execute("select number from written order by rowid") as cursor:
                return [row[0] async for row in cursor]

    return scenario


def test_an_inline_connection_needs_no_thread_and_is_the_same_each_time(tmp_path: Path):
    before = threading.active_count()
    runs = [passed(counting(tmp_path / "db"), seed=7, order="batch") for _ in range(5)]
    assert len({run.trace.digest for run in runs}) == 1
    assert sorted(runs[0].value) == [0, 1, 2]
    assert threading.active_count() == before


def test_waiting_for_a_lock_ends_when_the_timeout_of_the_connection_does(tmp_path: Path):
    run = faultloop.run(counting(tmp_path / "db", timeout=0.5))
    assert isinstance(run.exception, sqlite3.OperationalError)
    assert "locked" in str(run.exception)
    assert 0.5 <= run.virtual_time < 0.7
    run = passed(counting(tmp_path / "db", timeout=5))
    assert 3.0 <= run.virtual_time < 3.3


def test_a_timeout_that_the_program_sets_itself_counts(tmp_path: Path):
    async def scenario() -> float:
        async with aiosqlite.connect(tmp_path / "db", timeout=0) as holder:
            await holder.execute("begin exclusive")
            async with aiosqlite.connect(tmp_path / "db", timeout=0) as other:
                await other.execute("pragma busy_timeout = 2000")
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    await other.execute("begin immediate")
        return asyncio.get_running_loop().time()

    assert 2.0 <= value(scenario) < 2.2


def test_a_cancelled_statement_is_carried_out_all_the_same(tmp_path: Path):
    """As in aiosqlite's thread: the statement is in the queue, and nobody takes it out again."""

    async def scenario() -> list[Any]:
        async with aiosqlite.connect(tmp_path / "db", isolation_level=None) as db:
            await db.execute("create table if not exists written (number integer)")
            await db.execute("delete from written")

            async def write() -> None:
                await db.execute("insert into written values (1)")

            task = asyncio.create_task(write(), name="writer")
            await asyncio.wait([task])
            async with db.execute("select count(*) from written") as cursor:
                row = await cursor.fetchone()
            return [task.cancelled(), row[0] if row else None]

    run = passed(scenario, faults=["cancel writer @ Connection.execute #1"])
    assert run.not_reached == ()
    assert run.value == [True, 1]


def test_errors_of_a_statement_come_out_at_its_await(tmp_path: Path):
    async def scenario() -> None:
        async with aiosqlite.connect(tmp_path / "db") as db:
            await db.execute("select from nothing")

    run = faultloop.run(scenario)
    assert run.status is Status.CRASHED
    assert isinstance(run.exception, sqlite3.OperationalError)


def test_a_connection_left_open_ends_with_the_run(tmp_path: Path):
    kept: list[Any] = []

    async def scenario() -> None:
        kept.append(await aiosqlite.connect(tmp_path / "db"))
        await kept[0].execute("create table written (number integer)")

    async def collect() -> None:
        kept[0].stop()

    before = threading.active_count()
    passed(scenario)
    passed(collect)
    assert kept.pop()._connection is None
    assert threading.active_count() == before


def test_real_threads_are_as_aiosqlite_made_them(tmp_path: Path):
    async def scenario() -> bool:
        async with aiosqlite.connect(tmp_path / "db") as db:
            await db.execute("select 1")
            return _thread._count() > before

    before = _thread._count()
    assert value(scenario, threads="real")
    assert not value(scenario)


def others() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread is not threading.main_thread() and thread.is_alive()]


@pytest.mark.parametrize("threads", ["inline", "real"])
def test_a_connection_has_a_worker_in_threading_for_as_long_as_it_is_open(threads: Any):
    async def scenario() -> list[int]:
        before = len(others())
        async with aiosqlite.connect(":memory:") as db:
            await db.execute("select 1")
            during = len(others())
            assert threading.active_count() == during + 1
        for _ in range(50):  # a thread takes its time to end
            await asyncio.sleep(1 if others()[before:] else 0)
        return [during - before, len(others()) - before]

    assert value(scenario, threads=threads) == [1, 0]


def test_a_worker_that_nobody_tells_to_end_is_seen_within_the_run_and_only_there():
    kept: list[Any] = []

    async def scenario() -> int:
        kept.append(await aiosqlite.connect(":memory:"))
        return len(others())

    before = len(others())
    assert passed(scenario).value == before + 1
    assert len(others()) == before
    kept[0]._connection.close()
    kept.pop()._connection = None  # it was left open only for as long as it was looked at


def test_a_bare_sign_ends_a_worker_as_in_0_20():
    async def scenario() -> tuple[int, int]:
        connection: Any = await aiosqlite.connect(":memory:")
        first = len(others())
        sign: Any = getattr(aiosqlite.core, "_STOP_RUNNING_SENTINEL")  # noqa: B009
        await connection._execute(connection._conn.close)
        connection._connection = None
        connection._tx.put_nowait(sign)
        return first, len(others())

    before = len(others())
    assert value(scenario) == (before + 1, before)


LATE = """
import _thread, asyncio, faultloop

async def scenario():
    import aiosqlite
    async with aiosqlite.connect(":memory:") as db:
        async with db.execute("select 7") as cursor:
            row = await cursor.fetchone()
    return row[0], _thread._count()

run = faultloop.run(scenario)
print(run.status, run.value)
"""


def test_aiosqlite_imported_in_the_middle_of_a_run_needs_no_thread_either():
    command = [sys.executable, "-W", "error", "-c", LATE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "passed (7, 0)\n"
