"""Clients of PostgreSQL run as they are against a real server: best effort, and said to be."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import psycopg
import pytest

import faultloop
from faultloop.report.story import story
from tests.drivers.support import passed
from tests.world.libraries.test_libraries import HANGS

JOBS = [(1, "one"), (2, "two")]


async def with_asyncpg(url: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE TEMP TABLE job (id int PRIMARY KEY, name text)")
        async with connection.transaction():
            await connection.executemany("INSERT INTO job VALUES ($1, $2)", JOBS)
        return [tuple(row) for row in await connection.fetch("SELECT id, name FROM job ORDER BY id")]
    finally:
        await connection.close()


async def with_psycopg(url: str) -> Any:
    async with await psycopg.AsyncConnection.connect(url) as connection, connection.cursor() as cursor:
        await cursor.execute("CREATE TEMP TABLE job (id int PRIMARY KEY, name text)")
        await cursor.executemany("INSERT INTO job VALUES (%s, %s)", JOBS)
        await cursor.execute("SELECT id, name FROM job ORDER BY id")
        return await cursor.fetchall()


async def with_a_pool_of_asyncpg(url: str) -> Any:
    async with asyncpg.create_pool(url, min_size=1, max_size=2) as pool:
        rows = await asyncio.gather(*(pool.fetchrow("SELECT $1::int, $2::text", *job) for job in JOBS))
        return [tuple(row) for row in rows]


CLIENTS = (with_asyncpg, with_psycopg, with_a_pool_of_asyncpg)
each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
Client = Callable[[str], Awaitable[Any]]


@each_client
def test_a_client_of_postgres_works_as_it_is(client: Client, postgres_url: str):
    run = passed(lambda: client(postgres_url), io="real")
    assert run.value == JOBS
    assert 'best effort: with io="real"' in " ".join(story(run.trace).split())


def test_an_answer_that_takes_longer_than_a_virtual_timeout_is_waited_for(postgres_url: str):
    async def scenario() -> Any:
        connection = await asyncpg.connect(postgres_url)
        async with asyncio.timeout(0.01):
            answer = await connection.fetchval("SELECT pg_sleep(0.1)::text || 'slept'")
        await connection.close()
        return answer

    assert passed(scenario, io="real").value == "slept"


# What a library forgets to close when it is cancelled is its own business here; that the run ends is ours.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@each_client
def test_no_cancellation_makes_a_client_of_postgres_hang(client: Client, postgres_url: str):
    found = faultloop.explore(lambda: client(postgres_url), io="real", strategy="sweep", faults=["cancel"])
    told, kinds = " ".join(map(str, found.not_tried)), {failure.kind for failure in found.failures}
    tried = found.tried
    assert found.best_effort.startswith("best effort")
    del found
    gc.collect()  # what was forgotten complains here and now, and not in some later test
    assert tried >= 15
    assert "over a limit" not in told
    assert not kinds & HANGS
