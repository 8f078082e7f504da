"""Which store a URL names."""

from __future__ import annotations

from typing import Literal

from aqueue.errors import BadUrl, MissingExtra
from aqueue.store.base import Store
from aqueue.store.memory.store import MemoryStore
from aqueue.store.sqlite.store import SqliteStore

__all__ = ["store_at"]


def store_at(url: str, durability: Literal["power", "process"]) -> Store:
    """Make the store, without opening it. Raises BadUrl, MissingExtra."""
    if url == "memory:":
        return MemoryStore()
    scheme, separator, path = url.partition(":///")
    if scheme == "sqlite" and "?" in path:
        raise BadUrl(
            f"{url!r} has options, and a file's URL takes none",
            expected='"sqlite:///path/to/file.db"; durability is an argument of Queue',
            advice="leave out what follows the «?», or pass SqliteStore(path) if the file is really called so",
        )
    if scheme == "sqlite" and separator and path and path != ":memory:":
        return SqliteStore(path, durability=durability)
    if url.startswith(("postgresql://", "postgres://")):
        return _postgres_store_at(url, durability)
    raise BadUrl(
        f"{url!r} names no store",
        expected='"sqlite:///path/to/file.db", "postgresql://user@host/database" or "memory:"',
        advice="correct the URL, or pass a Store",
    )


def _postgres_store_at(url: str, durability: Literal["power", "process"]) -> Store:
    try:
        from aqueue.store.postgres.store import PostgresStore
    except ImportError as error:
        raise MissingExtra("a store on a PostgreSQL server", "psycopg", "postgres", error) from error
    return PostgresStore(url, durability=durability)
