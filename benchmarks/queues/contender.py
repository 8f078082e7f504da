"""What a queue must do to be measured, and the account of a run.

Producer, worker and handler share one process and one event loop; a server, if there is one, is another process on this
machine. The handler does nothing but sign the account.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import anyio

__all__ = ["ACCOUNT", "CONCURRENCY", "Account", "Contender", "Item", "Servers"]

CONCURRENCY = 10
Item = tuple[int, float]
"""A job's number, and when it was sent (time.perf_counter), or 0."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where servers answer; None where none does. folder: for files of the contender's own."""

    folder: str
    postgres: str | None = None
    redis: str | None = None


class Account:
    """Who has run, and when."""

    def __init__(self) -> None:
        """Expect nothing yet."""
        self.expect(0)

    def expect(self, jobs: int) -> None:
        """Begin anew: so many jobs are to come."""
        self.left = jobs
        self.runs = 0
        self.seen: set[int] = set()
        self.first = self.last = 0.0
        self.latencies: list[float] = []
        self.is_complete = anyio.Event() if jobs else None

    def sign(self, number: int, sent_at: float) -> None:
        """A handler runs."""
        now = time.perf_counter()
        self.first = self.first or now
        self.last = now
        self.runs += 1
        if sent_at:
            self.latencies.append(now - sent_at)
        if number not in self.seen:
            self.seen.add(number)
            self.left -= 1
            if not self.left and self.is_complete is not None:
                self.is_complete.set()


ACCOUNT = Account()


class Contender(Protocol):
    """One queue. needs: the modules it takes.   server: "postgres", "redis", or "" for none."""

    title: str
    durability: str
    needs: tuple[str, ...]
    server: str

    async def open(self, servers: Servers) -> None:
        """Connect, and make the tables."""
        ...

    async def enqueue(self, number: int, sent_at: float) -> None:
        """Send one job; return when it is as durable as it will be."""
        ...

    async def enqueue_many(self, items: Sequence[Item]) -> bool:
        """Send several at once; False if it has no call for that."""
        ...

    async def start(self) -> None:
        """Have a worker run CONCURRENCY jobs at a time from now on."""
        ...
