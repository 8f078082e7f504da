"""Versions of the SQLite schema: made, migrated in one transaction, or refused with nothing changed."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

import pytest

from aqueue import Queue, SchemaMismatch, SqliteStore
from aqueue.codec import checksum, encode_call
from aqueue.store.questions import Census
from aqueue.store.sqlite import schema
from aqueue.store.sqlite.schema import SCHEMA_VERSION, create_schema, version_of
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import SAFETY_ONLY

pytestmark = pytest.mark.anyio

OLD_VERSIONS = tuple(range(1, SCHEMA_VERSION))
SCRIPTS = {
    version: Path(__file__).with_name(f"version_{version}.sql").read_text(encoding="utf-8") for version in OLD_VERSIONS
}


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


@pytest.fixture(params=OLD_VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    """Each version that was, before this one."""
    number: int = request.param
    return number


@pytest.fixture
def old(tmp_path: Path, version: int) -> Path:
    """A file as that version wrote it: a pending job, a succeeded one with its effect, a dead one."""
    path = tmp_path / "old.db"
    payload = encode_call((7,), {}, task="work")
    with connected(path) as connection:
        connection.executescript(SCRIPTS[version])
        insert = (
            "INSERT INTO aq_job(uid,task,payload,payload_crc,created_at,run_at,max_attempts,max_claims,max_redrives,"
            "state,attempt,failures,finished_at,dead_reason) VALUES(?,'work',?,?,1,1,1,9,3,?,?,?,?,?)"
        )
        for uid, *life in (
            ("p", "pending", 0, 0, None, None),
            ("s", "succeeded", 1, 0, 5, None),
            ("d", "dead", 1, 1, 5, "exhausted"),
        ):
            connection.execute(insert, (uid, payload, checksum(payload), *life))
        event = "INSERT INTO aq_event(job_id,at,kind,attempt,worker,detail) VALUES(?,1,?,?,?,?)"
        for job, kind, attempt, detail in (
            (1, "enqueued", 0, None),
            (2, "enqueued", 0, None), (2, "claimed", 1, None), (2, "succeeded", 1, "effects=1"),
            (3, "enqueued", 0, None), (3, "claimed", 1, None), (3, "buried", 1, None),
        ):  # fmt: skip
            connection.execute(event, (job, kind, attempt, "w", detail))
        connection.execute("INSERT INTO aq_effect VALUES('e',2,1,'n','applied',NULL,1)")
    return path


def structure(path: Path) -> dict[str, Any]:
    """Tables with their columns, whatever their order, and indexes with their definition, whatever its spacing."""
    with connected(path) as connection:
        found: dict[str, Any] = {}
        for kind, name, sql in connection.execute("SELECT type,name,sql FROM sqlite_master WHERE name LIKE 'aq%'"):
            if kind == "table":
                columns = connection.execute(f"PRAGMA table_info({name})")
                found[name] = {column: (*rest[:3],) for _, column, *rest in columns}
            else:
                found[name] = re.sub(r"\s*--.*|\s+", "", sql)
        return found


def open_store(path: Path) -> Any:
    return SqliteStore(str(path), durability="process").open(clock=ManualClock(), random=Random(0))


async def test_a_file_of_each_older_version_is_migrated_when_it_is_opened_and_keeps_its_jobs(
    old: Path, version: int, tmp_path: Path
):
    with connected(old) as connection:
        assert version_of(connection) == version
    async with open_store(old) as session:
        counts = await session.perform(Census())
        assert await session.perform(SAFETY_ONLY) == ()
    assert (counts["pending"], counts["succeeded"], counts["dead"]) == (1, 1, 1)
    async with open_store(tmp_path / "new.db"):
        pass
    assert structure(old) == structure(tmp_path / "new.db")


async def test_the_jobs_of_a_migrated_file_run(old: Path):
    q = Queue(f"sqlite:///{old}", durability="process")

    @q.task()
    async def work(number: int) -> int:
        return number + 1

    async with q:
        assert await q.job(3).redrive()
        await q.run_until_idle()
        assert [await q.job(1).result(), await q.job(3).result()] == [8, 8]
        assert await q.check(grace=60) == ()


STATEMENT = re.compile(r"^(ALTER|CREATE|DROP|INSERT|UPDATE|PRAGMA user_version=)", flags=re.MULTILINE)


def statements_from(version: int) -> int:
    """How many statements lead from a version to this one."""
    steps = (
        files("aqueue.store.sqlite").joinpath(f"migrations/{target}.sql").read_text(encoding="utf-8")
        for target in range(version + 1, SCHEMA_VERSION + 1)
    )
    return sum(len(STATEMENT.findall(step)) for step in steps)


INTERRUPTIONS = [(version, done) for version in OLD_VERSIONS for done in range(1, statements_from(version))]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(("version", "steps"), INTERRUPTIONS)
async def test_an_interrupted_migration_leaves_the_older_version_whole(
    old: Path, version: int, steps: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    before = structure(old)

    class Interrupted(Exception):
        pass

    class Breaking:
        """The connection, until it has carried out that many statements of the script."""

        def __init__(self, connection: sqlite3.Connection) -> None:
            self.connection, self.left = connection, steps

        def execute(self, sql: str) -> sqlite3.Cursor:
            if STATEMENT.search(sql):
                if not self.left:
                    raise Interrupted
                self.left -= 1
            return self.connection.execute(sql)

    with connected(old) as connection:
        with pytest.raises(Interrupted):
            create_schema(Breaking(connection))  # type: ignore[arg-type]
        assert not connection.in_transaction
        assert version_of(connection) == version
    assert structure(old) == before
    async with open_store(old) as session:  # and the next one who opens it finishes it
        assert (await session.perform(Census()))["pending"] == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE aq_meta SET value=99", "version 99"),
        ("DELETE FROM aq_meta", "no known version"),
        ("DROP TABLE aq_meta", "no known version"),
    ],
)
async def test_a_newer_or_strange_schema_is_refused_and_left_as_it_is(tmp_path: Path, damage: str, told: str):
    path = tmp_path / "jobs.db"
    async with open_store(path):
        pass
    with connected(path) as connection:
        connection.execute(damage)
    before = path.read_bytes()
    with pytest.raises(SchemaMismatch, match=rf"AQ008.*{told}.*nothing was changed"):
        async with open_store(path):
            pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_table_of_somebody_else_by_our_name_is_refused(tmp_path: Path):
    path = tmp_path / "theirs.db"
    with connected(path) as connection:
        connection.execute("CREATE TABLE aq_job(something TEXT)")
    with pytest.raises(SchemaMismatch, match="AQ008"):
        async with open_store(path):
            pass


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_file_of_an_application_keeps_its_tables_and_its_own_version_number(tmp_path: Path):
    path = tmp_path / "app.db"
    with connected(path) as connection:
        connection.executescript(
            "PRAGMA user_version=41; CREATE TABLE orders(id INTEGER); INSERT INTO orders VALUES(1)"
        )
    async with open_store(path):
        pass
    with connected(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (41,)
        assert connection.execute("SELECT id FROM orders").fetchall() == [(1,)]
        assert version_of(connection) == SCHEMA_VERSION == schema.SCHEMA_VERSION
