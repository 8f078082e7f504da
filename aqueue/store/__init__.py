"""Stores: where jobs are kept, and the one contract they share.

base.py is the contract, operations.py and ledger.py what can be done, rows.py what is kept, tables.py the seam to
whatever keeps it: memory/, sqlite/, postgres/.
"""

from aqueue.store.base import Session, Store
from aqueue.store.memory.store import MemoryStore
from aqueue.store.sqlite.store import SqliteStore

__all__ = ["MemoryStore", "Session", "SqliteStore", "Store"]
