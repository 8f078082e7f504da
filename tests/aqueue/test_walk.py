"""The store contract under a random walk, and the invariants under seeded damage.

Goal: every invariant holds after every step whatever stale owners do, on every store, and each invariant does fire
when what it guards is broken by hand (without that, forty quiet walks would prove nothing).
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import psycopg
import pytest

from aqueue import MemoryStore, SqliteStore, Store
from aqueue.store.columns import INVARIANTS
from aqueue.store.operations import Enqueue
from aqueue.store.postgres.footprint import Footprint
from aqueue.store.postgres.store import PostgresStore
from aqueue.store.postgres.tables import PostgresTables
from aqueue.store.sqlite.tables import SqliteTables
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import Walker, new_job

pytestmark = pytest.mark.anyio


# All seeds on asyncio; fewer on trio, where only the waiting differs, and where each step asks a server.
WALKS = [
    *((store, "asyncio", seed) for store in ("memory", "sqlite") for seed in range(40)),
    *((store, "trio", seed) for store in ("memory", "sqlite") for seed in range(10)),
    *(("postgres", "asyncio", seed) for seed in range(3)),
    ("postgres", "trio", 3),
]


@pytest.mark.parametrize(("make_store", "anyio_backend", "seed"), WALKS, indirect=["make_store"])
async def test_every_invariant_holds_along_a_random_walk(make_store: Callable[[], Store], seed: int):
    clock = ManualClock()
    store = make_store()
    async with store.open(clock=clock, random=Random(0)) as session:
        walker = Walker(session, clock, seed)
        # A check costs more where the rows are copied for it, or asked of a server: there, not after every step.
        await walker.walk(200, check_every=1 if isinstance(store, SqliteStore) else 20)
    assert walker.jobs > 20
    assert walker.fenced > 5


async def replies_of(store: Store, seed: int, steps: int) -> list[object]:
    clock = ManualClock()
    async with store.open(clock=clock, random=Random(0)) as session:
        walker = Walker(session, clock, seed)
        await walker.walk(steps, check_every=steps // 4)
    return walker.replies


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("seed", range(10))
async def test_memory_and_sqlite_give_the_same_replies(tmp_path: Path, seed: int):
    sqlite_store = SqliteStore(str(tmp_path / "jobs.db"), durability="process")
    replies = await replies_of(MemoryStore(), seed, 600)
    assert replies == await replies_of(sqlite_store, seed, 600)
    assert len(replies) > 400


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_postgres_gives_the_same_replies(schema_url: str):
    replies = await replies_of(MemoryStore(), 5, 250)
    assert replies == await replies_of(PostgresStore(schema_url), 5, 250)
    assert len(replies) > 150


JOB = "(SELECT {} FROM aq_job WHERE {} LIMIT 1)"
DAMAGE = {  # done by hand, with the indexes and CHECKs dropped where the schema itself would refuse
    "S1_claims_match_attempt": "UPDATE aq_job SET attempt=attempt+1 WHERE id=(SELECT max(id) FROM aq_job)",
    "S2_one_settlement_per_token": "DROP INDEX IF EXISTS aq_event_settle; DROP INDEX IF EXISTS aq_event_once; "
    "INSERT INTO aq_event(job_id,at,kind,attempt) "
    "SELECT job_id,at,kind,attempt FROM aq_event WHERE kind='failed' LIMIT 1",
    "S3_settle_needs_claim": "DELETE FROM aq_event WHERE seq=(SELECT min(seq) FROM aq_event WHERE kind='claimed' AND "
    "EXISTS(SELECT 1 FROM aq_event s WHERE s.job_id=aq_event.job_id AND s.attempt=aq_event.attempt "
    "AND s.kind='succeeded'))",
    "S4_no_claim_while_unsettled": "DELETE FROM aq_event WHERE seq=(SELECT min(seq) FROM aq_event f WHERE kind IN"
    "('failed','rescued') AND EXISTS(SELECT 1 FROM aq_event c WHERE c.job_id=f.job_id AND c.kind='claimed' "
    "AND c.attempt=f.attempt+1))",
    "S5_terminal_is_final": "INSERT INTO aq_event(job_id,at,kind,attempt) "
    "SELECT job_id,at,'redriven',attempt FROM aq_event WHERE kind='succeeded' LIMIT 1",
    "S6_state_equals_last_event": "UPDATE aq_job SET state='pending',finished_at=NULL WHERE id="
    + JOB.format("id", "state='succeeded' AND unique_key IS NULL"),
    "S7_retries_bounded": "PRAGMA ignore_check_constraints=ON; "
    "UPDATE aq_job SET failures=99 WHERE id=(SELECT max(id) FROM aq_job)",
    "S8_nothing_lost": "DELETE FROM aq_job WHERE id=" + JOB.format("id", "state='pending' AND attempt=0"),
    "S9_exhausted_is_dead_lettered": "UPDATE aq_job SET failures=max_attempts WHERE id="
    + JOB.format("id", "state='pending'"),
    "S10_order_per_key_one_running": "DROP INDEX aq_order_one; UPDATE aq_job SET state='running',worker='x',"
    "claim_nonce='n',lease_until=0,order_key='zz' WHERE id IN(SELECT id FROM aq_job WHERE state='pending' LIMIT 2)",
    "S11_order_per_key_no_overtake": "UPDATE aq_job SET order_key='zz' WHERE id IN(SELECT id FROM aq_job WHERE "
    "state='pending' ORDER BY id DESC LIMIT 2); INSERT INTO aq_event(job_id,at,kind,attempt) "
    "SELECT max(id),1,'claimed',77 FROM aq_job WHERE order_key='zz'",
    "S12_unique_live": "DROP INDEX aq_unique; UPDATE aq_job SET unique_key='zz' WHERE id IN"
    "(SELECT id FROM aq_job WHERE state='pending' LIMIT 2)",
    "S14_success_has_its_effects": "DELETE FROM aq_effect WHERE key=(SELECT f.key FROM aq_effect f JOIN aq_event e "
    "ON e.job_id=f.job_id WHERE e.kind='succeeded' AND f.state='applied' LIMIT 1)",
    "S15_effect_written_by_owner": "UPDATE aq_effect SET attempt=99 WHERE key=(SELECT min(key) FROM aq_effect)",
    "S16_failures_have_events": "UPDATE aq_job SET failures=failures+1 WHERE id="
    + JOB.format("id", "state='pending' AND failures+1<max_attempts"),
    "L1_no_lease_outlives_sweep": "UPDATE aq_job SET state='running',worker='x',claim_nonce='n',lease_until=1 WHERE id="
    + JOB.format("id", "state='pending' AND order_key IS NULL"),
    "L2_ready_is_claimed": "DELETE FROM aq_limit; UPDATE aq_job SET run_at=1,order_key=NULL WHERE state='pending'",
    "L3_cancel_is_heeded": "UPDATE aq_job SET state='running',worker='x',claim_nonce='n',lease_until=9e15,cancel_at=1 "
    "WHERE id=" + JOB.format("id", "state='pending' AND order_key IS NULL"),
    "S13_cron_fires_once": "INSERT INTO aq_fire SELECT 'daily',n,(SELECT max(id) FROM aq_job) FROM "
    "(SELECT 1 AS n UNION ALL SELECT 2)",
    "L4_schedule_advances": "INSERT INTO aq_schedule VALUES('daily','0 3 * * *','UTC','last',x'7b7d',1)",
    "L5_intent_resolved": "INSERT INTO aq_effect SELECT 'zz',id,attempt,'n','intent',NULL,1 "
    "FROM aq_job WHERE state='succeeded' LIMIT 1",
}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("invariant", list(INVARIANTS))
async def test_damage_to_stored_rows_is_caught_by_its_invariant(tmp_path: Path, invariant: str):
    path = str(tmp_path / "jobs.db")
    now = await walk_and_enqueue(SqliteStore(path, durability="process"))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        tables = SqliteTables(connection)
        safe = tables.violations(now=now, grace_ms=10**15, free_slots=0)
        connection.executescript(DAMAGE[invariant])
        found = tables.violations(now=now, grace_ms=grace_ms(invariant), free_slots=3)
    assert safe == ()
    assert invariant in [violation.invariant for violation in found]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_each_damage_is_caught_on_postgres_too(schema_url: str):
    """Each in a transaction that is rolled back, so that all can be done to what one walk has left."""
    now = await walk_and_enqueue(PostgresStore(schema_url))
    caught: dict[str, bool] = {}
    with psycopg.connect(schema_url, autocommit=True) as connection:
        tables = PostgresTables(connection, None, Footprint(), fixed_now=1)
        assert tables.violations(now=now, grace_ms=10**15, free_slots=0) == ()
        for invariant, damage in DAMAGE.items():
            with connection.transaction(force_rollback=True):
                connection.execute(in_words_of_postgres(damage).encode())
                found = tables.violations(now=now, grace_ms=grace_ms(invariant), free_slots=3)
                caught[invariant] = invariant in [violation.invariant for violation in found]
    assert caught == dict.fromkeys(INVARIANTS, True)


async def walk_and_enqueue(store: Store) -> int:
    """Leave rows of every kind, and return the time."""
    clock = ManualClock()
    async with store.open(clock=clock, random=Random(0)) as session:
        await Walker(session, clock, seed=7).walk(400, check_every=400)
        await session.perform(Enqueue(tuple(new_job(f"last{n}") for n in range(6))))
    return clock.now


def grace_ms(invariant: str) -> int:
    return 500_000 if invariant.startswith("L") else 10**15


def in_words_of_postgres(damage: str) -> str:
    for ours, theirs in (
        ("PRAGMA ignore_check_constraints=ON", "ALTER TABLE aq_job DROP CONSTRAINT aq_job_check5"),
        ("x'7b7d'", "'\\x7b7d'"),
        ("9e15", "9e15::bigint"),
    ):
        damage = damage.replace(ours, theirs)
    return damage
