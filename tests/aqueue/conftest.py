"""Both backends, every store."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import trio.testing

from aqueue import MemoryStore, SqliteStore, Store
from aqueue.store.postgres.store import PostgresStore
from tests.aqueue.support import JumpingLoop

BACKENDS = ("asyncio", "trio")


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Each test runs on both backends, in real time: for tests that use threads and wait for nothing."""
    return str(request.param)


@pytest.fixture(params=BACKENDS)
def virtual(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both backends in virtual time; a module overrides anyio_backend with it."""
    if request.param == "asyncio":
        return "asyncio", {"loop_factory": JumpingLoop}
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


@pytest.fixture(scope="session")
def aqueue_database(postgres_url: str) -> Iterator[str]:
    """A database for all tests of stores; each has a schema of its own in it."""
    name = f"aqueue_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@contextmanager
def empty_schema(database_url: str) -> Iterator[str]:
    """A URL whose connections see nothing but an empty schema."""
    name = f"s{uuid.uuid4().hex}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
        yield f"{database_url}?options=-csearch_path%3D{name}"
        connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


@pytest.fixture
def schema_url(aqueue_database: str) -> Iterator[str]:
    """A PostgreSQL database that is the test's own."""
    with empty_schema(aqueue_database) as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Every store; what one call returns sees what another one wrote."""
    if request.param == "sqlite":
        return lambda: SqliteStore(str(tmp_path / "jobs.db"), durability="process")
    if request.param == "postgres":
        url: str = request.getfixturevalue("schema_url")
        return lambda: PostgresStore(url, durability="process")
    store = MemoryStore()
    return lambda: store
