"""A file of jobs that is tampered with, and mended."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from aqueue import Session, SqliteStore
from aqueue.store.operations import Claim, Enqueue
from aqueue.store.questions import Inspect
from aqueue.store.repairing import Repaired, repair
from tests.aqueue.support import ManualClock

GRACE_MS = 500_000


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [line for line in connection.iterdump() if "sqlite_sequence" not in line]


def opened(path: Path, clock: ManualClock) -> Any:
    return SqliteStore(str(path), durability="process").open(clock=clock, random=Random(0))


async def mend(session: Session, *, dry_run: bool = False) -> Repaired:
    return await repair(session, random=Random(0), grace_ms=GRACE_MS, dry_run=dry_run)


def tamper(path: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(sql, values).rowcount == 1


async def cure(path: Path, clock: ManualClock) -> list[str]:
    async with opened(path, clock) as session:
        found = await mend(session)
        assert found.is_whole
        return [words for each in found.cures for words in each.cures]


async def start(path: Path, clock: ManualClock, *jobs: Any, claim: bool = False) -> None:
    async with opened(path, clock) as session:
        await session.perform(Enqueue(jobs))
        if claim:
            assert len((await session.perform(Claim("w", "n", len(jobs), lease_ms=1000))).jobs) == len(jobs)


async def inspect(path: Path, clock: ManualClock, job: int = 1) -> Any:
    async with opened(path, clock) as session:
        return await session.perform(Inspect(job))
