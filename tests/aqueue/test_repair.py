"""Repair: what the log says is restored, what it does not say is named, and doing it again changes nothing."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

import faultloop
from aqueue import MemoryStore, Session, SqliteStore, Store
from aqueue.lifecycle import TERMINAL, ConfirmCancel
from aqueue.store.columns import INVARIANTS
from aqueue.store.memory.tables import MemoryTables
from aqueue.store.operations import Cancel, Enqueue, Settle
from aqueue.store.questions import Census, Verify
from aqueue.store.repairing import Repaired
from aqueue.store.rows import Event, FireRow
from aqueue.store.sqlite.tables import SqliteTables
from aqueue.store.words import WORDS
from tests.aqueue.mending import GRACE_MS, dump, mend, opened, start, tamper
from tests.aqueue.support import ManualClock
from tests.aqueue.test_walk import DAMAGE
from tests.aqueue.walk import SAFETY_ONLY, Walker, new_job

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """One: repair waits for nothing but its store, which other tests run on both."""
    return "asyncio"


REPAIRED = {  # what the log can restore; all other seeded damage is named, with the reason
    "S1_claims_match_attempt", "S6_state_equals_last_event", "S7_retries_bounded", "S9_exhausted_is_dead_lettered",
    "S10_order_per_key_one_running", "S16_failures_have_events", "L1_no_lease_outlives_sweep", "L3_cancel_is_heeded",
}  # fmt: skip


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A file after a long random walk, and the time on its clock."""
    path, clock = tmp_path_factory.mktemp("walked") / "jobs.db", ManualClock()

    async def walk() -> None:
        async with SqliteStore(str(path), durability="process").open(clock=clock, random=Random(0)) as session:
            await Walker(session, clock, seed=7).walk(400, check_every=400)
            await session.perform(Enqueue(tuple(new_job(f"last{n}") for n in range(6))))

    anyio.run(walk)
    return path, clock.now


@pytest.fixture
def damaged(walked: tuple[Path, int], tmp_path: Path) -> Callable[[str], tuple[Path, ManualClock]]:
    """Make a copy of the walked file with damage of one kind."""

    def make(script: str) -> tuple[Path, ManualClock]:
        path = tmp_path / "damaged.db"
        shutil.copy(walked[0], path)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.executescript(script)
        return path, ManualClock(walked[1])

    return make


def in_memory(path: Path) -> MemoryStore:
    """The rows of a file in a memory store."""
    store = MemoryStore()
    kept: MemoryTables = store._tables
    with closing(sqlite3.connect(path, isolation_level=None)) as connection, kept.atomic():
        tables = SqliteTables(connection)
        for row in tables.jobs_after(0, frozenset({"pending", "running", *TERMINAL}), 10**6):
            kept._put(row)
            kept._uids[row.uid] = row.id
            kept._last_id = row.id
        for columns in connection.execute("SELECT job_id,at,kind,attempt,worker,detail FROM aq_event ORDER BY seq"):
            kept.append_event(Event(*columns))
        for (key,) in connection.execute("SELECT key FROM aq_effect").fetchall():
            effect = tables.effect(key)
            assert effect is not None
            kept.put_effect(effect)
        for columns in connection.execute("SELECT name,fire_at,job_id FROM aq_fire"):
            kept.add_fire(FireRow(*columns))
        for schedule in tables.schedules().values():
            kept.put_schedule(schedule)
    return store


def said(found: Repaired) -> tuple[Any, ...]:
    """What is left over, without the numbers of events: a copy may number them anew."""
    left = [(each.violation.invariant, len(each.violation.rows), each.why) for each in found.leftovers]
    return found.incurable, left, found.faults


def test_every_invariant_has_its_words():
    assert list(WORDS) == list(INVARIANTS) == [*WORDS]
    assert {name for name, meaning in WORDS.items() if meaning.is_repairable} == REPAIRED


@pytest.mark.parametrize("invariant", list(INVARIANTS))
async def test_seeded_damage_is_repaired_or_named_and_a_second_repair_changes_nothing(
    damaged: Callable[[str], tuple[Path, ManualClock]], invariant: str
):
    path, clock = damaged(DAMAGE[invariant])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        free = 3 if invariant == "L2_ready_is_claimed" else 0
        broken = SqliteTables(connection).violations(now=clock.now, grace_ms=GRACE_MS, free_slots=free)
    assert invariant in [violation.invariant for violation in broken]
    before = dump(path)
    async with opened(path, clock) as session:
        promised = await mend(session, dry_run=True)
    assert dump(path) == before, "a dry run writes nothing"
    async with opened(path, clock) as session:
        first = await mend(session)
        left = {violation.invariant for violation in await session.perform(Verify(GRACE_MS, 0))}
    assert [(cure.job_id, cure.cures) for cure in promised.cures] == [(cure.job_id, cure.cures) for cure in first.cures]
    assert promised.incurable == first.incurable
    once = dump(path)
    async with opened(path, clock) as session:
        second = await mend(session)
    assert dump(path) == once, "repair(repair(x)) == repair(x)"
    assert (second.cures, said(second)) == ((), said(first))
    assert left == {each.violation.invariant for each in first.leftovers}
    assert left <= {violation.invariant for violation in broken}, "a repair breaks nothing that held"
    assert all(each.why for each in first.leftovers)
    if invariant in REPAIRED:
        assert left == set()
        assert first.is_whole
    elif invariant != "L2_ready_is_claimed":  # which is asked with the workers at hand only
        assert invariant in left


# The memory store answers «which invariants hold» from a copy under the schema, which refuses these by itself.
NOT_IN_MEMORY = {
    "S2_one_settlement_per_token", "S7_retries_bounded", "S10_order_per_key_one_running", "S12_unique_live",
}  # fmt: skip


@pytest.mark.parametrize("invariant", [name for name in INVARIANTS if name not in NOT_IN_MEMORY])
async def test_both_stores_are_repaired_alike(damaged: Callable[[str], tuple[Path, ManualClock]], invariant: str):
    path, clock = damaged(DAMAGE[invariant])
    async with in_memory(path).open(clock=clock, random=Random(0)) as session:
        in_dictionaries = [await mend(session), await mend(session)]
    async with opened(path, clock) as session:
        in_a_file = [await mend(session), await mend(session)]
    assert in_dictionaries[0].cures == in_a_file[0].cures
    assert in_dictionaries[1].cures == ()
    assert [said(each) for each in in_dictionaries] == [said(each) for each in in_a_file]


@pytest.mark.parametrize("seed", range(4))
async def test_a_healthy_store_needs_nothing_but_its_leases_freed(make_store: Callable[[], Store], seed: int):
    clock = ManualClock()
    async with make_store().open(clock=clock, random=Random(0)) as session:
        walker = Walker(session, clock, seed)
        for _ in range(5):  # beside workers, zombies and users: they go on where the repair was
            await walker.walk(50, check_every=50)
            found = await mend(session)
            assert {words.partition(":")[0] for cure in found.cures for words in cure.cures} <= {"its lease ran out"}
            assert found.is_whole
            assert (await mend(session)).cures == ()
            assert await session.perform(SAFETY_ONLY) == ()


@pytest.mark.parametrize("seed", range(4))
async def test_random_damage_to_rows_is_undone_and_no_invariant_breaks(
    walked: tuple[Path, int], tmp_path: Path, seed: int
):
    """Rows are what a repair may change: whatever of them was scrambled, the log brings it back."""
    random, path = Random(seed), tmp_path / "jobs.db"
    shutil.copy(walked[0], path)
    clock = ManualClock(walked[1] + 10_000)  # all leases are over: what follows is damage and nothing else
    async with opened(path, clock) as session:
        assert (await mend(session)).is_whole
    healthy = rows_of(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        for (job,) in connection.execute("SELECT id FROM aq_job").fetchall():
            if random.random() < 0.3:
                column = random.choice(["attempt", "failures", "redrives"])
                connection.execute(
                    f"UPDATE aq_job SET {column}={column}+? WHERE id=?", (random.choice([-1, 1, 9]), job)
                )
    assert rows_of(path) != healthy
    async with opened(path, clock) as session:
        found = await mend(session)
        assert (await session.perform(SAFETY_ONLY), (await mend(session)).cures) == ((), ())
    assert found.is_whole
    live = {job for job, row in healthy.items() if row[0] in ("pending", "running")}
    assert {job: row for job, row in rows_of(path).items() if job in live} == {job: healthy[job] for job in live}


@pytest.mark.parametrize("seed", range(8))
async def test_random_damage_to_logs_and_rows_is_never_made_worse(walked: tuple[Path, int], tmp_path: Path, seed: int):
    """Where the witness is damaged itself, not everything can be restored; but nothing that held is broken."""
    random, path = Random(seed), tmp_path / "jobs.db"
    shutil.copy(walked[0], path)
    clock = ManualClock(walked[1] + 10_000)
    async with opened(path, clock) as session:
        assert (await mend(session)).is_whole
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("DROP INDEX aq_event_once")
        for sequence in random.sample(range(1, 300), 12):
            kind = random.choice(["failed", "rescued", "released", "buried", "cancelled", "redriven", "claimed"])
            connection.execute("UPDATE aq_event SET kind=? WHERE seq=?", (kind, sequence))
        for sequence in random.sample(range(1, 300), 4):
            connection.execute("DELETE FROM aq_event WHERE seq=?", (sequence,))
    async with opened(path, clock) as session:
        before = set(await violated(session))
        first = await mend(session)
        after = set(await violated(session))
        second = await mend(session)
    assert before
    assert after <= before
    assert (second.cures, said(second)) == ((), said(first))


async def violated(session: Session) -> list[tuple[str, Any]]:
    found = await session.perform(SAFETY_ONLY)
    return [(violation.invariant, row) for violation in found for row in violation.rows]


def rows_of(path: Path) -> dict[int, tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0]: row[1:] for row in connection.execute("SELECT id,state,attempt,failures,redrives FROM aq_job")}


# Killed in the middle


DYING = """
import os, signal, sys
from random import Random
import anyio
from aqueue.store.repair import Mend
from aqueue.store.sqlite.store import SqliteStore
from aqueue.store.sqlite.tables import SqliteTables
from aqueue.store.repairing import repair
from tests.aqueue.support import ManualClock

path, now, where, left = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])

def dying(function):
    def call(*arguments):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return call

owner = Mend if where == "apply" else SqliteTables
setattr(owner, where, dying(getattr(owner, where)))

async def main():
    async with SqliteStore(path).open(clock=ManualClock(now), random=Random(0)) as session:
        await repair(session, random=Random(0), grace_ms=500_000)

anyio.run(main)
"""
MANY = """
UPDATE aq_job SET failures=failures+1 WHERE state='pending' AND failures+1<max_attempts;
UPDATE aq_job SET state='pending',finished_at=NULL WHERE state='succeeded' AND unique_key IS NULL;
UPDATE aq_job SET payload=x'00' WHERE uid LIKE 'last%';
"""


@pytest.mark.parametrize(("where", "left"), [("apply", 7), ("append_event", 1)])
async def test_a_repair_that_is_killed_is_finished_by_the_next_one(
    damaged: Callable[[str], tuple[Path, ManualClock]], tmp_path: Path, where: str, left: int
):
    """kill -9 before a transaction, and inside of one, between its row and its event."""
    path, clock = damaged(MANY)
    whole = tmp_path / "whole.db"
    shutil.copy(path, whole)
    command = [sys.executable, "-c", DYING, str(path), str(clock.now), where, str(left)]
    ended = await anyio.run_process(
        command, cwd=Path(__file__).parents[2], env=os.environ | {"PYTHONPATH": "."}, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    async with opened(path, clock) as session:
        assert (await mend(session)).is_whole
        assert await session.perform(SAFETY_ONLY) == ()
    async with opened(whole, clock) as session:
        await mend(session)
    assert sorted(dump(path)) == sorted(dump(whole)), "as if it had never been killed"


@pytest.fixture
def small_damage(tmp_path: Path) -> tuple[Path, ManualClock]:
    """A lease that ran out, a cancellation nobody asked for, wrong counts, unreadable bytes."""
    path, clock = tmp_path / "small.db", ManualClock()

    async def prepare() -> None:
        await start(path, clock, new_job("a"), new_job("b"), claim=True)
        await start(path, clock, new_job("c"), new_job("d"))
        async with opened(path, clock) as session:
            await session.perform(Cancel(2))
            await session.perform(Settle(2, "w", ConfirmCancel(1)))

    anyio.run(prepare)
    tamper(path, "UPDATE aq_job SET cancel_at=NULL WHERE id=2")
    tamper(path, "UPDATE aq_job SET failures=2 WHERE id=3")
    tamper(path, "UPDATE aq_job SET payload=x'00' WHERE id=4")
    clock.now += 5000
    return path, clock


@pytest.mark.parametrize(("driver", "tasks", "delay"), [("asyncio", "repair", "delay:1s"), ("trio", "another*", "")])
def test_no_single_fault_at_any_await_of_a_repair_breaks_anything(
    small_damage: tuple[Path, ManualClock], driver: Any, tasks: str, delay: str
):
    template, clock = small_damage

    async def repairing() -> None:
        with tempfile.TemporaryDirectory(prefix="repair-", ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "jobs.db"
            shutil.copy(template, path)

            async def attempt() -> None:
                async with opened(path, clock) as session:
                    await mend(session)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(attempt, name="repair")
                tasks.start_soon(attempt, name="another repair")
            async with opened(path, clock) as session:
                last = await mend(session)
                assert last.is_whole
                assert (await mend(session)).cures == ()
                assert await session.perform(SAFETY_ONLY) == ()
                counts = await session.perform(Census())
            assert counts == {"pending": 3, "running": 0, "succeeded": 0, "dead": 1, "cancelled": 1}

    faults = ["cancel", *filter(None, [delay])]
    found = faultloop.explore(repairing, faults=faults, tasks=tasks, strategy="sweep", driver=driver)
    assert [failure.fault for failure in found.failures] == []
    assert found.status == "passed"
    assert found.tried >= 10
