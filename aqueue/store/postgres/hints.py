"""Hints between processes: one NOTIFY per transaction that is worth one, and a connection that listens.

A hint is never the truth: whoever waits for one looks at the database once per poll period as well, and a connection
that was lost is one long hint that something may have happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import anyio
import psycopg
from anyio.to_thread import run_sync
from psycopg import Connection

from aqueue.lifecycle import TERMINAL
from aqueue.log import Trouble
from aqueue.store.base import Hint
from aqueue.store.rows import JobRow

__all__ = ["CHANNEL", "Noticed", "decoded", "keep_listening"]

CHANNEL: Final = "aqueue"
_NAMED_MAX: Final = 400  # ids; a payload has at most 8000 bytes
_RECONNECT_SECONDS: Final = 1.0


@dataclass(eq=False, slots=True)
class Noticed:
    """What one transaction does that others wait for."""

    work: bool = False
    cancel: bool = False
    settled: list[int] = field(default_factory=list[int])

    def change(self, before: JobRow, after: JobRow) -> None:
        """A job is written over."""
        if after.life.state == "pending":
            self.work = True
        if (before.life.state == "running" and after.life.state != "running") or after.life.state in TERMINAL:
            self.settled.append(after.id)
        if after.life.cancel_at is not None and before.life.cancel_at is None and after.life.state == "running":
            self.cancel = True

    def encoded(self) -> str | None:
        """The payload of a notification, None if there is nothing to say."""
        if not (self.work or self.cancel or self.settled):
            return None
        ids = " ".join(map(str, self.settled)) if len(self.settled) <= _NAMED_MAX else "*"
        return f"{'w' if self.work else '-'}{'c' if self.cancel else '-'} {ids}"


def decoded(payload: str) -> Hint:
    """The hint of a payload. One that is not ours is a hint that anything may have happened."""
    flags, _, ids = payload.partition(" ")
    try:
        settled = None if ids == "*" else tuple(map(int, ids.split()))
    except ValueError:
        settled = None
    if len(flags) != 2 or settled is None:
        return Hint(work=True, cancel=True, settled=None)
    return Hint(work="w" in flags, cancel="c" in flags, settled=settled)


async def keep_listening(
    connect: Callable[[], Connection[Any]], hear: Callable[[Hint], None], own_pid: Callable[[], int], random: Random
) -> None:
    """Tell every hint that is not of our own making, until cancelled; connect again when the connection is lost."""
    limiter, trouble = anyio.CapacityLimiter(1), Trouble(over="store.listens_again")
    while True:
        try:
            connection = await run_sync(_connected, connect, limiter=limiter)
        except psycopg.Error as error:
            trouble.tell("store.not_listening", _told(error))
        else:
            trouble.end()
            try:
                hear(Hint(work=True, cancel=True, settled=None))  # whatever happened while nobody listened
                await _listen(connection, hear, own_pid)
            except (psycopg.Error, OSError) as error:
                trouble.tell("store.not_listening", _told(error))
            finally:
                connection.close()
        await anyio.sleep(_RECONNECT_SECONDS * random.uniform(0.8, 1.2))


def _told(error: Exception) -> str:
    return " ".join(str(error).split())


def _connected(connect: Callable[[], Connection[Any]]) -> Connection[Any]:
    connection = connect()
    try:
        connection.execute(f"LISTEN {CHANNEL}".encode())
    except BaseException:
        connection.close()
        raise
    return connection


async def _listen(connection: Connection[Any], hear: Callable[[Hint], None], own_pid: Callable[[], int]) -> None:
    while True:
        await anyio.wait_readable(connection.fileno())
        for notification in connection.notifies(timeout=0):
            if notification.pid != own_pid():
                hear(decoded(notification.payload))
