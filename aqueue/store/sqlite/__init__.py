"""A store in a SQLite file: store.py is the store and its one connection, tables.py the rows."""

from aqueue.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
