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
from msgspec.structs import replace

import faultloop
from aqueue import MemoryStore, Session, SqliteStore, Store
from aqueue.codec import decode_call
from aqueue.lifecycle import TERMINAL, Bury, ConfirmCancel, Fail, Succeed
from aqueue.store.columns import INVARIANTS
from aqueue.store.fold import Contradiction, Standing, fold
from aqueue.store.memory_tables import MemoryTables
from aqueue.store.operations import Cancel, Claim, Enqueue, Redrive, Settle
from aqueue.store.questions import Census, Inspect, Verify
from aqueue.store.repair import Cure, Mend
from aqueue.store.repairing import Repaired, repair
from aqueue.store.rows import Event, FireRow
from aqueue.store.sqlite_tables import SqliteTables
from aqueue.store.words import WORDS
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
GRACE_MS = 500_000


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


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [line for line in connection.iterdump() if "sqlite_sequence" not in line]


def opened(path: Path, clock: ManualClock) -> Any:
    return SqliteStore(str(path), durability="process").open(clock=clock, random=Random(0))


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


async def mend(session: Session, *, dry_run: bool = False) -> Repaired:
    return await repair(session, random=Random(0), grace_ms=GRACE_MS, dry_run=dry_run)


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


# One kind of damage after another


DAY_MS = 86_400_000


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


async def test_a_due_time_from_a_wrong_clock_keeps_the_delay_that_was_asked_for(tmp_path: Path):
    path, ahead = tmp_path / "jobs.db", ManualClock(1_000_000 + 4000 * DAY_MS)
    await start(path, ahead, replace(new_job("a"), delay_ms=5000))
    clock = ManualClock()
    assert await cure(path, clock) == ["due 4000.0 days ahead: due in 5 s"]
    assert (await inspect(path, clock)).job.life.run_at == clock.now + 5000
    assert await cure(path, clock) == []


async def test_a_lease_from_a_wrong_clock_is_shortened_and_then_runs_out(tmp_path: Path):
    path, clock = tmp_path / "jobs.db", ManualClock()
    await start(path, clock, new_job("a"), claim=True)
    tamper(path, "UPDATE aq_job SET lease_until=?", clock.now + 30 * DAY_MS)
    assert await cure(path, clock) == ["leased for 30.0 days: for 3600 s"]
    assert await cure(path, clock) == []
    clock.now += 3_600_001
    assert await cure(path, clock) == ["its lease ran out: pending"]
    assert [event.kind for event in (await inspect(path, clock)).events] == ["enqueued", "claimed", "rescued"]


async def test_an_undecodable_job_is_buried_with_its_bytes(tmp_path: Path):
    path, clock = tmp_path / "jobs.db", ManualClock()
    await start(path, clock, new_job("a"), new_job("b"))
    tamper(path, "UPDATE aq_job SET payload=x'00ff' WHERE id=1")
    (words,) = await cure(path, clock)
    assert words.startswith("the payload cannot be read: its checksum is ")
    job = (await inspect(path, clock)).job
    assert (job.life.state, job.life.dead_reason, job.payload) == ("dead", "undecodable", b"\x00\xff")
    assert (await inspect(path, clock, 2)).job.life.state == "pending"


async def test_an_undecodable_job_of_an_order_key_waits_for_its_turn(tmp_path: Path):
    path, clock = tmp_path / "jobs.db", ManualClock()
    await start(path, clock, new_job("a", key="k"), new_job("b", key="k"))
    tamper(path, "UPDATE aq_job SET payload=x'00ff' WHERE id=2")
    assert await cure(path, clock) == [], "claimed now, it would overtake job 1"


async def test_a_job_that_was_cancelled_without_a_request_is_enqueued_anew_once(tmp_path: Path):
    """As a worker that takes its own shutdown for a request to cancel would leave it."""
    path, clock = tmp_path / "jobs.db", ManualClock()
    await start(path, clock, new_job("a", unique="u"), claim=True)
    async with opened(path, clock) as session:
        await session.perform(Cancel(1))
        await session.perform(Settle(1, "w", ConfirmCancel(1)))
        assert (await mend(session)).cures == (), "somebody asked for it"
    tamper(path, "UPDATE aq_job SET cancel_at=NULL")
    assert await cure(path, clock) == ["cancelled while it ran, and nobody asked for that: enqueued anew"]
    copy = (await inspect(path, clock, 2)).job
    assert (copy.life.state, copy.unique_key, decode_call(copy.payload, copy.payload_crc)) == ("pending", "u", ((), {}))
    assert await cure(path, clock) == []
    async with opened(path, clock) as session:  # also when the copy has ended
        (job,) = (await session.perform(Claim("w", "m", 1, lease_ms=1000))).jobs
        await session.perform(Settle(job.id, "w", Succeed(1)))
    assert await cure(path, clock) == []


async def test_a_pending_job_that_was_cancelled_stays_so(tmp_path: Path):
    path, clock = tmp_path / "jobs.db", ManualClock()
    await start(path, clock, new_job("a"))
    async with opened(path, clock) as session:
        await session.perform(Cancel(1))
    assert await cure(path, clock) == []


async def test_a_job_comes_back_to_life_only_if_no_other_lives_under_its_unique_key(tmp_path: Path):
    path, clock = tmp_path / "jobs.db", ManualClock()
    await start(path, clock, new_job("a", unique="u"))
    tamper(path, "UPDATE aq_job SET state='succeeded',finished_at=1 WHERE id=1")
    await start(path, clock, new_job("b", unique="u"))
    async with opened(path, clock) as session:
        found = await mend(session)
    assert [(each.job_id, each.why) for each in found.incurable] == [
        (1, "its log says it is pending, but job 2 has its unique key and lives")
    ]
    async with opened(path, clock) as session:
        await session.perform(Cancel(2))
    assert await cure(path, clock) == ["set to what its log says: state pending instead of succeeded"]


async def test_a_log_without_its_end_brings_no_job_back_to_life(tmp_path: Path):
    """Set to «pending» by it, the job would have failed for the last time and be live: S9 would break."""
    path, clock = tmp_path / "jobs.db", ManualClock()
    await start(path, clock, new_job("a", attempts=1), claim=True)
    async with opened(path, clock) as session:
        await session.perform(Settle(1, "w", Fail(1, run_at=0)))
    tamper(path, "UPDATE aq_event SET kind='failed' WHERE kind='buried'")
    async with opened(path, clock) as session:
        found = await mend(session)
    assert found.cures == ()
    assert [each.why for each in found.incurable] == [
        "its log counts all the failures it may have, and does not say that it ended"
    ]
    assert (await inspect(path, clock)).job.life.state == "dead"


async def test_a_row_that_forgot_its_owner_goes_round_again(tmp_path: Path):
    path, clock = tmp_path / "jobs.db", ManualClock()
    await start(path, clock, new_job("a", key="k"), claim=True)
    tamper(path, "UPDATE aq_job SET state='pending',worker=NULL,claim_nonce=NULL,lease_until=NULL")
    assert await cure(path, clock) == [
        "set to what its log says: state running instead of pending", "its lease ran out: pending"
    ]  # fmt: skip
    assert [event.kind for event in (await inspect(path, clock)).events] == ["enqueued", "claimed", "rescued"]


async def test_a_job_that_somebody_mended_meanwhile_is_left_alone(tmp_path: Path):
    path, clock = tmp_path / "jobs.db", ManualClock()
    await start(path, clock, new_job("a"))
    tamper(path, "UPDATE aq_job SET failures=1")
    async with opened(path, clock) as session:
        first, second = await session.perform(Mend(1)), await session.perform(Mend(1))
        assert isinstance(first, Cure)
        assert second is None
        assert await session.perform(Mend(77)) is None


LOG = [("enqueued", 0), ("claimed", 1), ("failed", 1), ("claimed", 2), ("buried", 2), ("redriven", 2), ("claimed", 3)]


def test_a_log_folds_to_where_the_job_stands():
    log = [Event(1, at, kind, attempt, f"w{attempt}") for at, (kind, attempt) in enumerate(LOG)]  # type: ignore[arg-type]
    assert fold(log) == Standing("running", 3, 0, 1, 0, since=6, worker="w3", ended_from="pending")
    assert fold(log[:3]) == Standing("pending", 1, 1, 0, 0, since=2, worker="w1", ended_from="running")


@pytest.mark.parametrize("missing", range(len(LOG) - 1))
def test_a_log_with_a_hole_contradicts_itself(missing: int):
    log = [Event(1, at, kind, attempt) for at, (kind, attempt) in enumerate(LOG) if at != missing]  # type: ignore[arg-type]
    assert isinstance(fold(log), Contradiction)
    assert isinstance(fold([]), Contradiction)


# Killed in the middle


DYING = """
import os, signal, sys
from random import Random
import anyio
from aqueue.store.repair import Mend
from aqueue.store.sqlite import SqliteStore
from aqueue.store.sqlite_tables import SqliteTables
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


async def test_repair_counts_failures_of_ended_jobs_as_the_log_and_the_row_allow(tmp_path: Path):
    """Of a dead job the row alone knows whether its last try failed: neither is «repaired» to the other."""
    path, clock = tmp_path / "jobs.db", ManualClock()
    await start(path, clock, new_job("a"), new_job("b", attempts=1), claim=True)
    async with opened(path, clock) as session:
        await session.perform(Settle(1, "w", Bury(1, "rejected")))
        await session.perform(Settle(2, "w", Fail(1, run_at=0)))
        assert await session.perform(Redrive(2)) is None
    assert await cure(path, clock) == []
    tamper(path, "UPDATE aq_job SET failures=3 WHERE id=1")
    async with opened(path, clock) as session:
        assert isinstance(await session.perform(Mend(1)), Cure)
    assert (await inspect(path, clock)).job.life.failures == 0
