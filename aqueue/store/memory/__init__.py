"""A store in memory: for tests, and for jobs that need not outlive their process."""

from aqueue.store.memory.store import MemoryStore

__all__ = ["MemoryStore"]
