"""Stores: where jobs are kept, and the one contract they share.

base.py is the contract, operations.py and ledger.py what can be done, rows.py what is kept, tables.py the seam to
whatever keeps it.
"""

from aqueue.store.base import Session, Store
from aqueue.store.memory import MemoryStore
from aqueue.store.sqlite import SqliteStore

__all__ = ["MemoryStore", "Session", "SqliteStore", "Store"]
