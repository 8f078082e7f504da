"""Which jobs a claim finds is what a plain look at every job would find, however they are looked for.

Method: rows of every kind are written at random, clocks jump, and what a store answers is compared with a look through
all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from aqueue.lifecycle import Life
from aqueue.store import sqlite_deep
from aqueue.store.memory_live import fits, urgency
from aqueue.store.memory_tables import MemoryTables
from aqueue.store.rows import JobRow, Narrowing, Tables
from aqueue.store.sqlite import connect_file
from aqueue.store.sqlite_deep import NEAR
from aqueue.store.sqlite_schema import create_schema
from aqueue.store.sqlite_tables import SqliteTables

TASKS = ("a", "b", "c")
_UIDS = count()


def plain_look(rows: list[JobRow], now: int, limit: int, narrowing: Narrowing) -> list[JobRow]:
    """What is promised in rows.Tables.ready, word for word."""
    live = [row for row in rows if row.life.state in ("pending", "running")]

    def is_free(row: JobRow) -> bool:
        others = [other for other in live if other.order_key == row.order_key and other.id != row.id]
        return row.order_key is None or not any(o.life.state == "running" or o.id < row.id for o in others)

    due = [row for row in live if row.life.state == "pending" and row.life.run_at <= now]
    return sorted((r for r in due if is_free(r) and fits(r, narrowing, now)), key=urgency)[:limit]


def some_narrowing(random: Random) -> Narrowing:
    if random.random() < 0.1:
        return Narrowing(overdue=True)
    return Narrowing(
        isolate_after=random.choice((None, 1, 2)),
        isolated=random.choice((None, True, False)),
        fresh_only=random.random() < 0.3,
        without=frozenset(random.sample(TASKS, random.randint(0, 2))),
        only=random.choice((None, frozenset(random.sample(TASKS, 2)))),
    )


def tidied(narrowing: Narrowing) -> Narrowing:
    """isolated says something only along with isolate_after."""
    return narrowing if narrowing.isolate_after is not None else replace(narrowing, isolated=None)


def some_row(random: Random, now: int) -> JobRow:
    life = Life(run_at=now + random.choice((-20, -5, 0, 0, 5, 40)), max_attempts=9, max_claims=99, max_redrives=9)
    return JobRow(
        0, f"u{next(_UIDS)}", random.choice(TASKS), b"{}", 0, random.choice((0, 0, 1, -1)),
        deadline=random.choice((None, None, now + 10)), order_key=random.choice((None, None, "k", "l", "m")),
        unique_key=None, created_at=now, life=life,
    )  # fmt: skip


def a_change(random: Random, row: JobRow, now: int, *, key_is_busy: bool) -> JobRow:
    """The row as some transition could have left it."""
    life = row.life
    pending = replace(life, state="pending", worker=None, claim_nonce=None, lease_until=None, finished_at=None)
    choice = random.random()
    if life.state == "pending" and choice < 0.6 and not key_is_busy:
        running = {"state": "running", "worker": "w", "claim_nonce": "n", "lease_until": now + 50}
        return replace(row, life=replace(life, attempt=life.attempt + 1, **running))
    if choice < 0.8:
        failures, crashes = min(9, life.failures + random.randint(0, 1)), life.crashes + random.randint(0, 1)
        later = now + random.choice((0, 3, 30))
        return replace(row, life=replace(pending, run_at=later, failures=failures, crashes=crashes))
    return replace(row, life=replace(pending, state="cancelled", finished_at=now))


def in_memory() -> Iterator[Tables]:
    yield MemoryTables()


def in_sqlite(tmp_path: Any) -> Iterator[Tables]:
    with closing(connect_file(f"{tmp_path}/jobs.db", "OFF")) as connection:
        create_schema(connection)
        yield SqliteTables(connection)


@pytest.fixture(params=["memory", "sqlite"])
def tables(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Any]:
    yield from in_memory() if request.param == "memory" else in_sqlite(tmp_path)


@contextmanager
def transaction(tables: Any) -> Iterator[None]:
    """One that is undone if it raises."""
    if isinstance(tables, MemoryTables):
        with tables.atomic():
            yield
        return
    connection = tables._connection
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        tables._outlook = None
        raise
    connection.execute("COMMIT")


class Undone(Exception):
    """Raised to undo a transaction."""


def write_some(tables: Any, random: Random, rows: dict[int, JobRow], now: int) -> dict[int, JobRow]:
    rows = dict(rows)
    for _ in range(random.randint(1, 6)):
        live = [row for row in rows.values() if row.life.state in ("pending", "running")]
        if not live or random.random() < 0.45:
            new = some_row(random, now)
            job_id = tables.insert_job(new)
            rows[job_id] = replace(new, id=job_id)
            continue
        row = random.choice(live[-20:])
        busy = [o for o in live if row.order_key and o.order_key == row.order_key and o.life.state == "running"]
        after = a_change(random, row, now, key_is_busy=bool(busy))
        tables.replace_job(row, after)
        rows[row.id] = after
    return rows


def write_for_nothing(tables: Any, random: Random, rows: dict[int, JobRow], now: int) -> None:
    """A transaction that writes, looks, and is undone."""
    with suppress(Undone), transaction(tables):
        write_some(tables, random, rows, now)
        tables._outlook = None
        tables.ready(now + 100, 3, Narrowing())
        raise Undone


def compare(tables: Any, random: Random, rows: dict[int, JobRow], now: int) -> None:
    tables._outlook = None  # a session has one for each transaction
    for _ in range(3):
        narrowing, limit = tidied(some_narrowing(random)), random.randint(1, 8)
        expected = plain_look(list(rows.values()), now, limit, narrowing)
        assert tables.ready(now, limit, narrowing) == expected, narrowing
    later = [r.life.run_at for r in rows.values() if r.life.state == "pending" and r.life.run_at > now]
    assert tables.next_run_at(now) == min(later, default=None)
    pending = [row.task for row in rows.values() if row.life.state == "pending"]
    assert tables.pending_tasks(9) == sorted(set(pending))
    assert [tables.count_pending(task, 9999) for task in (None, *TASKS)] == [len(pending), *map(pending.count, TASKS)]
    running = [row.task for row in rows.values() if row.life.state == "running"]
    assert [tables.count_running(task) for task in TASKS] == [*map(running.count, TASKS)]


def stroll(tables: Any, seed: int, rows: dict[int, JobRow], steps: int) -> None:
    random, now = Random(seed), 1000
    for _ in range(steps):
        if random.random() < 0.2:
            write_for_nothing(tables, random, rows, now)
        else:
            with transaction(tables):
                rows = write_some(tables, random, rows, now)
        now += random.choice((0, 1, 7, 25, -10))
        compare(tables, random, rows, now)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_ready_is_what_a_plain_look_finds(tables: Any, seed: int):
    stroll(tables, seed, {}, steps=60)


@pytest.mark.parametrize("keys_max", [1000, 1])
@pytest.mark.parametrize("seed", range(6))
def test_behind_a_backlog_too(tables: Any, seed: int, keys_max: int, monkeypatch: pytest.MonkeyPatch):
    """Of delayed jobs, of one task, or blocked by their key: more than are looked through in the order of urgency."""
    monkeypatch.setattr(sqlite_deep, "KEYS_MAX", keys_max)
    rows: dict[int, JobRow] = {}
    with transaction(tables):
        for number in range(NEAR + 30):
            new = some_row(Random(0), 1000)
            kind = seed % 3
            delay = 10**6 if kind == 0 or not number else 0
            new = replace(
                new, uid=f"{seed}-{number}", task="a", priority=2, deadline=None, order_key="k" if kind == 2 else None,
                life=replace(new.life, run_at=900 + delay),
            )  # fmt: skip
            job_id = tables.insert_job(new)
            rows[job_id] = replace(new, id=job_id)
    stroll(tables, seed, rows, steps=40)


def test_what_is_stale_in_memory_does_not_pile_up():
    """A job that is put off a thousand times beside one that waits for ever: entries are bounded by live jobs."""
    tables, now = MemoryTables(), 1000
    random = Random(0)
    first = replace(some_row(random, now), order_key="k", deadline=5000)
    row = replace(first, id=tables.insert_job(first) or 0)
    for step in range(1000):
        after = replace(row, life=replace(row.life, run_at=10**9 + step))
        tables.replace_job(row, after)
        row = after
    live = tables._live
    assert len(live._later) < 200
    assert len(live._deadlines) < 200
    assert len(live._ids_of["k"]) == 1
