"""A real SQLite file after its node has crashed: as the file of a process that died would be found."""

import asyncio
import gc
import os
import sqlite3
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from faultloop import world
from tests.drivers.support import value


def fresh(path: Path, mode: str) -> None:
    """An empty database in a journal mode."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode = {mode}")
    connection.execute("CREATE TABLE written (number INTEGER, filler BLOB)")
    connection.commit()
    connection.close()


def rows(path: Path) -> list[int]:
    """What is in it, read by somebody who opens it anew."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [number for (number,) in connection.execute("SELECT number FROM written ORDER BY rowid")]
    finally:
        connection.close()


def crashing(path: Path, mode: str, *, size: int) -> Any:
    """A node that commits 1, writes 2 without a commit, and crashes there. Tells what files it leaves."""

    async def scenario() -> list[str]:
        fresh(path, mode)

        async def work() -> None:
            connection = sqlite3.connect(path)
            connection.execute("PRAGMA cache_size = 4")  # pages are written before the commit, as in a big transaction
            connection.execute("INSERT INTO written VALUES (1, zeroblob(?))", (size,))
            connection.commit()
            connection.execute("INSERT INTO written VALUES (2, zeroblob(?))", (size,))
            await asyncio.sleep(1000)

        node = world.node("store")
        node.start(work)
        await asyncio.sleep(1)
        node.crash()
        return sorted(os.listdir(path.parent))

    return scenario


# A journal of which no page has come to the database is not «hot», and stays where it is until the next transaction.
@pytest.mark.parametrize(("size", "left"), [(10, ["db", "db-journal"]), (100_000, ["db"])])
def test_a_journal_with_a_transaction_under_way_is_found_and_rolled_back(tmp_path: Path, size: int, left: list[str]):
    assert value(crashing(tmp_path / "db", "delete", size=size)) == ["db", "db-journal"]
    assert rows(tmp_path / "db") == [1]
    assert sorted(os.listdir(tmp_path)) == left


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_write_ahead_log_is_found_with_what_was_committed(tmp_path: Path, size: int):
    assert value(crashing(tmp_path / "db", "wal", size=size)) == ["db", "db-wal"]
    assert rows(tmp_path / "db") == [1]


def test_a_crash_at_the_boundary_of_a_transaction_leaves_nothing_to_recover(tmp_path: Path):
    path = tmp_path / "db"

    async def scenario() -> list[str]:
        fresh(path, "delete")

        async def work() -> None:
            connection = sqlite3.connect(path)
            with connection:
                connection.execute("INSERT INTO written VALUES (1, NULL)")
            await asyncio.sleep(1000)

        node = world.node("store")
        node.start(work)
        await asyncio.sleep(1)
        node.crash()
        return sorted(os.listdir(tmp_path))

    assert value(scenario) == ["db"]
    assert rows(path) == [1]


def test_locks_of_the_dead_are_gone_and_the_node_recovers_when_it_starts_again(tmp_path: Path):
    path = tmp_path / "db"

    async def scenario() -> list[Any]:
        fresh(path, "delete")
        seen: list[Any] = []

        async def work() -> None:
            async with aiosqlite.connect(path, timeout=0) as db:
                async with db.execute("SELECT number FROM written") as cursor:
                    seen.append([row[0] async for row in cursor])
                await db.execute("BEGIN EXCLUSIVE")
                await db.execute("INSERT INTO written VALUES (?, zeroblob(100000))", (len(seen),))
                await asyncio.sleep(10)
                await db.commit()

        node = world.node("store")
        node.start(work)
        await node.finished()
        return seen

    assert value(scenario) == [[]]
    assert rows(path) == [1]
    assert value(scenario, faults=["crash:5s store @ work>sleep"]) == [[], []]
    assert rows(path) == [2]
    gc.collect()


def test_others_that_have_the_file_open_see_it_rolled_back(tmp_path: Path):
    path = tmp_path / "db"

    async def scenario() -> list[Any]:
        fresh(path, "delete")

        async def write() -> None:
            connection = sqlite3.connect(path)
            connection.execute("INSERT INTO written VALUES (7, NULL)")
            await asyncio.sleep(1000)

        async def watch() -> list[Any]:
            connection = sqlite3.connect(path, timeout=0)
            await asyncio.sleep(2)
            connection.execute("INSERT INTO written VALUES (8, NULL)")
            connection.commit()
            found = connection.execute("SELECT number FROM written").fetchall()
            connection.close()
            return found

        writer, watcher = world.node("writer"), world.node("watcher")
        found: list[Any] = []

        async def watching() -> None:
            found.extend(await watch())

        watcher.start(watching)
        writer.start(write)
        await asyncio.sleep(1)
        writer.crash()
        await watcher.finished()
        return found

    assert value(scenario) == [(8,)]


def test_connections_outside_of_nodes_are_sqlites_own():
    async def scenario() -> list[Any]:
        outside = sqlite3.connect(":memory:")
        node = world.node("store")
        inside: list[Any] = []

        async def work() -> None:
            class Own(sqlite3.Connection):
                pass

            for connection in (sqlite3.connect(":memory:"), sqlite3.connect(":memory:", factory=Own)):
                inside.append([isinstance(connection, sqlite3.Connection), type(connection).__name__])
                connection.row_factory = lambda cursor, row: {"made": "of it"}
            node_connection = sqlite3.connect(":memory:")
            node_connection.row_factory = lambda cursor, row: None
            await asyncio.sleep(1000)

        node.start(work)
        await asyncio.sleep(1)
        node.crash()
        said = [type(outside) is sqlite3.Connection, *inside]
        outside.close()
        return said

    assert value(scenario) == [True, [True, "Connection"], [True, "Own"]]
