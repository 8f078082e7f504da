"""Which store a URL names."""

from __future__ import annotations

from typing import Literal

from aqueue.errors import BadUrl
from aqueue.store.base import Store
from aqueue.store.memory import MemoryStore
from aqueue.store.sqlite import SqliteStore

__all__ = ["store_at"]


def store_at(url: str, durability: Literal["power", "process"]) -> Store:
    """Make the store, without opening it. Raises BadUrl."""
    if url == "memory:":
        return MemoryStore()
    scheme, separator, path = url.partition(":///")
    if scheme == "sqlite" and separator and path and path != ":memory:":
        return SqliteStore(path, durability=durability)
    raise BadUrl(
        f"{url!r} names no store",
        expected='"sqlite:///path/to/file.db" or "memory:"',
        advice="correct the URL, or pass a Store",
    )
