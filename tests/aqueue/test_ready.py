"""Which jobs a claim finds is what a plain look at every job would find, however they are looked for.

Method: rows of every kind are written at random, clocks jump, and what a store answers is compared with a look through
all of them. BACKLOG is more than either database looks through in the order of urgency.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import psycopg
import pytest
from msgspec.structs import replace

from aqueue import Store
from aqueue.lifecycle import Life
from aqueue.store import looking
from aqueue.store.limits import TaskRule
from aqueue.store.memory.live import fits, urgency
from aqueue.store.memory.tables import MemoryTables
from aqueue.store.operations import Claim, ClaimReply, Enqueue
from aqueue.store.postgres import deep as postgres_deep
from aqueue.store.postgres.footprint import Footprint
from aqueue.store.postgres.hints import CHANNEL
from aqueue.store.postgres.schema import create_schema as create_postgres
from aqueue.store.postgres.statements import Statements
from aqueue.store.postgres.store import PostgresStore
from aqueue.store.postgres.tables import PostgresTables
from aqueue.store.rows import JobRow, Narrowing
from aqueue.store.sqlite.schema import create_schema as create_sqlite
from aqueue.store.sqlite.store import connect_file
from aqueue.store.sqlite.tables import SqliteTables
from aqueue.store.tables import Tables
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import new_job

Rows: TypeAlias = "dict[int, JobRow]"
Begin: TypeAlias = "Callable[[], AbstractContextManager[Tables]]"
BACKLOG = 130
TASKS = ("a", "b", "c")
_UIDS = count()


def plain_look(rows: list[JobRow], now: int, limit: int, narrowing: Narrowing) -> list[JobRow]:
    """What is promised in tables.Tables.ready, word for word."""
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


def in_memory(tables: MemoryTables) -> Begin:
    @contextmanager
    def begin() -> Iterator[Tables]:
        with tables.atomic():
            yield tables

    return begin


def in_sqlite(connection: sqlite3.Connection) -> Begin:
    @contextmanager
    def begin() -> Iterator[Tables]:
        with committed(connection):
            tables = SqliteTables(connection)
            yield tables
            tables.write_events()

    return begin


def in_postgres(connection: psycopg.Connection[Any]) -> Begin:
    @contextmanager
    def begin() -> Iterator[Tables]:
        with committed(connection):
            tables = PostgresTables(connection, None, Footprint(), fixed_now=0)
            yield tables
            tables.finish(CHANNEL)

    return begin


@contextmanager
def committed(connection: Any) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def begin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Begin]:
    """What begins a transaction on an empty store."""
    if request.param == "memory":
        yield in_memory(MemoryTables())
    elif request.param == "sqlite":
        with closing(connect_file(f"{tmp_path}/jobs.db", "OFF")) as connection:
            create_sqlite(connection)
            yield in_sqlite(connection)
    else:
        with closing(PostgresStore(request.getfixturevalue("schema_url"), durability="process").connect()) as server:
            create_postgres(server)
            yield in_postgres(server)


class Undone(Exception):
    """Raised to undo a transaction."""


def write_some(tables: Tables, random: Random, rows: Rows, now: int) -> Rows:
    rows = dict(rows)
    for _ in range(random.randint(1, 6)):
        live = [row for row in rows.values() if row.life.state in ("pending", "running")]
        if not live or random.random() < 0.45:
            put(tables, some_row(random, now), rows)
            continue
        row = random.choice(live[-20:])
        busy = [o for o in live if row.order_key and o.order_key == row.order_key and o.life.state == "running"]
        after = a_change(random, row, now, key_is_busy=bool(busy))
        assert tables.job(row.id) == row
        tables.replace_job(row, after)
        rows[row.id] = after
    return rows


def put(tables: Tables, new: JobRow, rows: Rows) -> None:
    job_id = tables.insert_job(new)
    assert job_id is not None
    rows[job_id] = replace(new, id=job_id)


def write_for_nothing(begin: Begin, random: Random, rows: Rows, now: int) -> None:
    """A transaction that writes, looks, and is undone."""
    with suppress(Undone), begin() as tables:
        write_some(tables, random, rows, now)
        tables.ready(now + 100, 3, Narrowing())
        raise Undone


def compare(tables: Tables, random: Random, rows: Rows, now: int) -> None:
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


def stroll(begin: Begin, seed: int, rows: Rows, steps: int) -> None:
    random, now = Random(seed), 1000
    for _ in range(steps):
        if random.random() < 0.2:
            write_for_nothing(begin, random, rows, now)
        else:
            with begin() as tables:
                rows = write_some(tables, random, rows, now)
        now += random.choice((0, 1, 7, 25, -10))
        with begin() as tables:
            compare(tables, random, rows, now)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_ready_is_what_a_plain_look_finds(begin: Begin, seed: int):
    stroll(begin, seed, {}, steps=60)


@pytest.mark.parametrize("keys_max", [1000, 1])
@pytest.mark.parametrize("seed", range(3))
def test_behind_a_backlog_too(begin: Begin, seed: int, keys_max: int, monkeypatch: pytest.MonkeyPatch):
    """Of delayed jobs, of one task, or blocked by their key: more than are looked through in the order of urgency."""
    monkeypatch.setattr(looking, "KEYS_MAX", keys_max)
    rows: Rows = {}
    with begin() as tables:
        for number in range(BACKLOG):
            new = some_row(Random(0), 1000)
            kind = seed % 3
            delay = 10**6 if kind == 0 or not number else 0
            new = replace(
                new, uid=f"{seed}-{number}", task="a", priority=2, deadline=None, order_key="k" if kind == 2 else None,
                life=replace(new.life, run_at=900 + delay),
            )  # fmt: skip
            put(tables, new, rows)
    stroll(begin, seed, rows, steps=40)


def test_behind_a_backlog_what_others_have_locked_is_passed_over(schema_url: str):
    """Jobs behind more delayed ones than are looked through: of 60 that one transaction is at, another finds none."""
    store = PostgresStore(schema_url, durability="process")
    rows: Rows = {}
    with closing(store.connect()) as one, closing(store.connect()) as other:
        create_postgres(one)
        with in_postgres(one)() as tables:
            for number in range(BACKLOG + 70):
                new = some_row(Random(0), 1000)
                life = replace(new.life, run_at=10**6 if number < BACKLOG else 900)
                priority = 2 if number < BACKLOG else 0
                put(tables, replace(new, uid=f"{number}", order_key=None, priority=priority, life=life), rows)
        ids = list(rows)[BACKLOG:]
        with in_postgres(one)() as mine, in_postgres(other)() as theirs:
            assert [row.id for row in mine.ready(1000, 60, Narrowing())] == ids[:60]
            assert [row.id for row in theirs.ready(1000, 5, Narrowing())] == ids[60:65]
            assert [row.id for row in mine.ready(1000, 99, Narrowing())] == [*ids[:60], *ids[65:]]


@pytest.mark.anyio
async def test_a_batch_that_makes_a_backlog_claims_what_is_behind_it(make_store: Callable[[], Store]):
    """What a batch knows of the queue before it begins is not what its claim goes by."""
    blocked = tuple(replace(new_job(f"{n}", key="k"), delay_ms=0 if n else 10**6) for n in range(BACKLOG))
    free = tuple(new_job(f"free-{number}") for number in range(5))
    claim = Claim("w", "n", 5, 1000, rules={"t": TaskRule()}, isolate_after=1, only_known=True)
    async with make_store().open(clock=ManualClock(), random=Random(0)) as session:
        *_, (reply, error) = await session.perform_all([Enqueue(blocked), Enqueue(free), claim])
    assert isinstance(reply, ClaimReply), error
    assert [job.uid for job in reply.jobs] == [job.uid for job in free]


SUSPECTS = Narrowing(isolate_after=1, isolated=False)
ONLY_A, FRESH = Narrowing(only=frozenset("a")), Narrowing(fresh_only=True)
NOT_B = Narrowing(without=frozenset("b"))
IN_THE_WAY: dict[str, tuple[Narrowing, Callable[[JobRow, int], JobRow]]] = {
    "suspects": (SUSPECTS, lambda row, _: alive(row, crashes=1)),
    "suspects-with-keys": (SUSPECTS, lambda row, n: replace(alive(row, crashes=1), order_key=f"{n}")),
    "unknown": (ONLY_A, lambda row, _: replace(row, task="b")),
    "unknown-with-keys": (ONLY_A, lambda row, n: replace(row, task="b", order_key=f"{n}")),
    "closed": (NOT_B, lambda row, _: replace(row, task="b")),
    "closed-with-keys": (NOT_B, lambda row, n: replace(row, task="b", order_key=f"{n}")),
    "failed": (FRESH, lambda row, _: alive(row, failures=1)),
    "failed-with-keys": (FRESH, lambda row, n: replace(alive(row, failures=1), order_key=f"{n}")),
    "delayed": (Narrowing(), lambda row, _: alive(row, run_at=10**6)),
    "delayed-with-keys": (Narrowing(), lambda row, n: replace(alive(row, run_at=10**6), order_key=f"{n}")),
    "blocked": (Narrowing(), lambda row, n: replace(alive(row, run_at=900 if n else 10**6), order_key="k")),
}


def alive(row: JobRow, **changes: Any) -> JobRow:
    return replace(row, life=replace(row.life, **changes))


@pytest.mark.parametrize("keys_max", [1000, 0])
@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_behind_a_backlog_one_deep_look_is_enough(
    schema_url: str, kind: str, keys_max: int, monkeypatch: pytest.MonkeyPatch
):
    """Nothing that cannot be had is among what it finds, or it would take the places of what can."""
    monkeypatch.setattr(looking, "KEYS_MAX", keys_max)
    looks: list[object] = []
    ask_named = Statements.ask_named

    def counted(statements: Statements, sql: str, values: Mapping[str, object]) -> list[Any]:
        looks.append(sql)
        return ask_named(statements, sql, values)

    monkeypatch.setattr(Statements, "ask_named", counted)
    narrowing, in_the_way = IN_THE_WAY[kind]
    rows: Rows = {}
    with closing(PostgresStore(schema_url, durability="process").connect()) as connection:
        create_postgres(connection)
        with in_postgres(connection)() as tables:
            free = replace(some_row(Random(0), 1000), task="a", order_key=None, deadline=None, priority=0)
            free = alive(free, run_at=900)
            for number in range(BACKLOG):
                put(tables, in_the_way(replace(free, uid=f"{number}", priority=1), number), rows)
            for number in range(5):
                put(tables, replace(free, uid=f"free-{number}"), rows)
            assert [row.uid for row in tables.ready(1000, 5, narrowing)] == [f"free-{number}" for number in range(5)]
    assert looks == [postgres_deep.DEEP_IDS]


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
