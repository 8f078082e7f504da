"""What the two findings in pgqueuer share: a schema, one job, and how it stands with it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver

SCHEMA = "faultloop_released"


async def connect() -> Any:
    """A connection that sees the schema."""
    return await asyncpg.connect(os.environ["FAULTLOOP_POSTGRES_URL"], server_settings={"search_path": SCHEMA})


@asynccontextmanager
async def connection() -> AsyncGenerator[Any]:
    """The same, closed at the end, whatever becomes of it."""
    connected = await connect()
    try:
        yield connected
    finally:
        connected.terminate()


async def start() -> None:
    """A schema of its own, and one job."""
    async with connection() as server:
        await server.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        await server.execute(f"CREATE SCHEMA {SCHEMA}")
        queries = manager(server).queries
        await queries.install()
        await queries.enqueue("pay", b"order-1")


def manager(of: Any) -> Any:
    """A queue manager on a connection."""
    return PgQueuer(AsyncpgDriver(of)).qm


async def rows(server: Any) -> int:
    """How many jobs there are."""
    count: int = await server.fetchval("SELECT count(*) FROM pgqueuer")
    return count


async def log(server: Any) -> list[str]:
    """What was noted of the job, in order."""
    return [row["status"] for row in await server.fetch("SELECT status::text FROM pgqueuer_log ORDER BY id")]
