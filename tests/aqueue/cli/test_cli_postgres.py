"""Looking at a queue on a PostgreSQL server: with no more rights than it takes, and without being in the way."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from random import Random

import anyio
import psycopg
import pytest

from aqueue import StoreUnavailable
from aqueue.lifecycle import Fail
from aqueue.store.operations import Claim, Enqueue, Settle
from aqueue.store.postgres.reading import PostgresReading
from aqueue.store.postgres.store import PostgresStore
from aqueue.store.rows import JobRow
from aqueue.store.schedules import DeclareSchedule
from aqueue.store.survey import Workload, Works
from aqueue.store.tables import Tables
from tests.aqueue.cli.conftest import Ask
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import new_job

LOOKING = ("stats", "dead list", "show 1", "show 2", "check", "repair --dry-run", "cron list", "cron missed", "ps")
WRITING = ("cancel 3", "dead redrive 1", "dead park 1", "cron remove nightly")


@pytest.fixture
def jobs_url(schema_url: str) -> str:
    """Of four jobs one is dead, one runs, and two are due, one of them with an order key; and a schedule."""

    async def fill() -> None:
        store = PostgresStore(schema_url, durability="process")
        async with store.open(clock=ManualClock(), random=Random(0)) as session:
            await session.perform(Enqueue((new_job("dead", attempts=1), new_job("runs"))))
            claimed = await session.perform(Claim("w", "n", 2, lease_ms=10**9))
            dead = claimed.jobs[0]
            await session.perform(Settle(dead.id, "w", Fail(dead.life.attempt, run_at=0), error="no"))
            await session.perform(Enqueue((new_job("due"), new_job("keyed", key="k"))))
            await session.perform(DeclareSchedule("nightly", "0 3 * * *", "UTC", "last", new_job("nightly")))

    anyio.run(fill)
    return schema_url


@pytest.fixture
def reader_url(jobs_url: str) -> Iterator[str]:
    """The same for a role that may SELECT there, and nothing else."""
    role, schema = f"reader_{uuid.uuid4().hex}", jobs_url.rpartition("%3D")[2]
    with psycopg.connect(jobs_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role}".encode())
        connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}".encode())
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}".encode())
        yield f"{jobs_url}%20-crole%3D{role}"
        connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


@pytest.mark.parametrize("command", LOOKING)
def test_who_may_select_may_look(ask: Ask, jobs_url: str, reader_url: str, command: str):
    own = ask(*command.split(), "--store", jobs_url)
    read = ask(*command.split(), "--store", reader_url)
    assert (read.code, read.err) == (own.code, own.err.replace(jobs_url, reader_url))
    assert read.out.splitlines()[:2] == own.out.splitlines()[:2] != []


@pytest.mark.parametrize("command", WRITING)
def test_who_may_select_changes_nothing(ask: Ask, jobs_url: str, reader_url: str, command: str):
    before = stored(jobs_url)
    answer = ask(*command.split(), "--store", reader_url)
    assert (answer.code, answer.out, answer.err[:13]) == (3, "", "aqueue: AQ011")
    assert "permission denied" in answer.err
    assert stored(jobs_url) == before


def stored(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        jobs = connection.execute("SELECT id,state,attempt,redrives FROM aq_job ORDER BY id").fetchall()
        return jobs + connection.execute("SELECT name FROM aq_schedule").fetchall()


def test_a_session_that_reads_writes_nothing(jobs_url: str):
    async def work() -> None:
        store = PostgresStore(jobs_url)
        async with PostgresReading(store).open(clock=ManualClock(), random=Random(0)) as session:
            with pytest.raises(StoreUnavailable, match="read-only transaction"):
                await session.perform(Enqueue((new_job("new"),)))
            works = await session.perform(Workload(9))
        assert [row.uid for row in works.due] == ["due", "keyed"]

    anyio.run(work)


@pytest.mark.parametrize(("reads_only", "left"), [(True, ["due", "keyed"]), (False, [])])
def test_a_worker_passes_over_no_job_because_somebody_looks_at_it(jobs_url: str, reads_only: bool, left: list[str]):
    """A look that goes on while the worker claims. A session that may write is in its way, and is not what is used."""
    claim = Claim("v", "m", 9, lease_ms=1000)
    claimed: list[str] = []

    class LookingMeanwhile(Workload):
        def apply(self, tables: Tables, now: int) -> Works:
            works = super().apply(tables, now)
            claimed.extend(row.uid for row in anyio.run(claim_elsewhere))
            return works

    async def claim_elsewhere() -> Sequence[JobRow]:
        async with PostgresStore(jobs_url).open(clock=ManualClock(), random=Random(0)) as session:
            return (await session.perform(claim)).jobs

    async def look() -> None:
        store = PostgresStore(jobs_url)
        opened = PostgresReading(store) if reads_only else store
        async with opened.open(clock=ManualClock(), random=Random(0)) as session:
            await session.perform(LookingMeanwhile(9))

    anyio.run(look)
    assert claimed == left
