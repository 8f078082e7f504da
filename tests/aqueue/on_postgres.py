"""A store on a PostgreSQL server, and what its tables hold, for tests of what is PostgreSQL's own."""

from __future__ import annotations

from random import Random
from typing import Any

import psycopg

from aqueue.store.postgres.store import PostgresStore
from tests.aqueue.support import ManualClock

__all__ = ["open_store", "sql"]


def open_store(url: str) -> Any:
    return PostgresStore(url).open(clock=ManualClock(), random=Random(0))


def sql(url: str, statement: str, *values: object) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []
