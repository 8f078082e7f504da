"""A store on a PostgreSQL server: store.py is the store and its connections, tables.py the rows."""

from aqueue.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
