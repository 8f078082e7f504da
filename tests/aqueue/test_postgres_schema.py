"""The way of a PostgreSQL database from version 1 to this one, and to one that does not exist yet.

version_1_postgres.sql is the schema as version 1 wrote it, kept when the schema changes.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import anyio
import psycopg
import pytest

from aqueue import SchemaMismatch
from aqueue.lifecycle import Succeed
from aqueue.store.operations import Claim, Enqueue, Settle
from aqueue.store.postgres.schema import create_schema, version_of
from aqueue.store.postgres.store import PostgresStore
from aqueue.store.questions import Inspect
from tests.aqueue.conftest import empty_schema
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import SAFETY_ONLY, new_job

VERSION_1 = Path(__file__).with_name("version_1_postgres.sql").read_bytes()
CATALOG = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
FROM pg_class c JOIN pg_attribute a ON a.attrelid=c.oid AND a.attnum>0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid=c.oid AND d.adnum=a.attnum
WHERE c.relname LIKE 'aq\\_%' AND c.relkind IN('r','S') AND pg_table_is_visible(c.oid)
UNION ALL SELECT c.relname, i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), i.indisunique, NULL
FROM pg_class c JOIN pg_index i ON i.indrelid=c.oid WHERE c.relname LIKE 'aq\\_%' AND pg_table_is_visible(c.oid)
UNION ALL SELECT c.relname, k.conname, pg_get_constraintdef(k.oid), k.condeferrable, NULL
FROM pg_class c JOIN pg_constraint k ON k.conrelid=c.oid WHERE c.relname LIKE 'aq\\_%' AND pg_table_is_visible(c.oid)
ORDER BY 1, 2, 3
"""
# What a next version may be: the test's own, so that the way is known to be passable before it is needed.
NEXT = {"migrations/4.sql": b"ALTER TABLE aq_job ADD note text; UPDATE aq_meta SET value=4 WHERE key='schema'"}
BROKEN = {name: text + b"; SELECT 1/0" for name, text in NEXT.items()}


def connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True)


def catalog_of(url: str) -> list[tuple[Any, ...]]:
    """Columns, indexes and constraints, without the name of the schema they are in."""
    name = url.rpartition("%3D")[2]
    with connect(url) as connection:
        rows = connection.execute(CATALOG.encode()).fetchall()
    return [tuple(str(value).replace(f"{name}.", "") for value in row) for row in rows]


def test_what_version_1_wrote_becomes_what_a_fresh_database_is(schema_url: str, aqueue_database: str):
    async def work() -> None:
        async with PostgresStore(schema_url).open(clock=ManualClock(), random=Random(0)) as session:
            assert await session.perform(SAFETY_ONLY) == ()
            (row,) = (await session.perform(Claim("w", "n", 5, lease_ms=1000))).jobs
            await session.perform(Settle(row.id, "w", Succeed(row.life.attempt), result=b"1"))
            done = await session.perform(Inspect(1))
            assert done is not None
            assert done.job.life.state == "succeeded"
            await session.perform(Enqueue((new_job("next"),)))
            assert await session.perform(SAFETY_ONLY) == ()

    with connect(schema_url) as connection:
        connection.execute(VERSION_1)
        connection.execute(
            "INSERT INTO aq_job(id,uid,task,payload,payload_crc,created_at,run_at,max_attempts,max_claims,max_redrives)"
            "VALUES(nextval('aq_job_id'),'old','t','x',1,1,1,3,9,3);"
            "INSERT INTO aq_event(job_id,at,kind,attempt) VALUES(1,1,'enqueued',0)"
        )
    anyio.run(work)
    with empty_schema(aqueue_database) as fresh:
        with connect(fresh) as connection:
            create_schema(connection)
        assert catalog_of(schema_url) == catalog_of(fresh)
        assert len(catalog_of(fresh)) > 80


def test_a_next_version_is_reached_by_one_of_those_who_open_at_once(schema_url: str):
    asked: list[str] = []

    def text(name: str) -> bytes:
        asked.append(name)
        return NEXT[name]

    def open_it() -> None:
        with connect(schema_url) as connection:
            create_schema(connection, version=4, text=text)
            assert version_of(connection, newest=4) == 4

    async def open_at_once() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(anyio.to_thread.run_sync, open_it)

    with connect(schema_url) as connection:
        create_schema(connection)
    anyio.run(open_at_once)
    assert asked == ["migrations/4.sql"]
    with connect(schema_url) as connection:
        assert connection.execute("SELECT note FROM aq_job").fetchall() == []
        with pytest.raises(SchemaMismatch, match=r"version 4.*Expected: version 1 to 3"):
            create_schema(connection)


@pytest.mark.parametrize(("scripts", "is_whole"), [(BROKEN, False), (NEXT, True)], ids=["broken", "whole"])
def test_a_way_that_breaks_off_leaves_the_version_it_began_at(
    schema_url: str, scripts: dict[str, bytes], is_whole: bool
):
    with connect(schema_url) as connection:
        create_schema(connection)
        before = catalog_of(schema_url)
        if is_whole:
            create_schema(connection, version=4, text=scripts.__getitem__)
        else:
            with pytest.raises(psycopg.errors.DivisionByZero):
                create_schema(connection, version=4, text=scripts.__getitem__)
        assert version_of(connection, newest=4) == (4 if is_whole else 3)
    assert (catalog_of(schema_url) == before) is not is_whole


def test_no_index_has_a_column_that_a_renewal_changes(schema_url: str):
    with connect(schema_url) as connection:
        create_schema(connection)
    indexes = [row[2] for row in catalog_of(schema_url) if str(row[2]).startswith("CREATE")]
    assert any("aq_nonce" in each for each in indexes)
    assert [each for each in indexes if "lease_until" in each] == []
