"""What a batch does by few statements is what its operations do one by one, row for row and line for line."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from random import Random

import pytest
from msgspec.structs import replace

from aqueue import MemoryStore, lifecycle
from aqueue.errors import LeaseLost
from aqueue.flow import RetryBudget
from aqueue.lifecycle import Bury, Fail, Release, Succeed
from aqueue.store.group import Reply
from aqueue.store.ledger import BeginEffect, RecordEffect
from aqueue.store.limits import Bucket
from aqueue.store.operations import Cancel, Claim, ClaimReply, Enqueue, Operation, Settle, Sweep
from aqueue.store.postgres.store import PostgresStore
from aqueue.store.questions import Inspect
from aqueue.store.rows import JobRow, Narrowing, NewJob
from aqueue.store.sqlite import store as sqlite
from aqueue.store.sqlite.schema import create_schema
from aqueue.store.sqlite.tables import SqliteTables
from aqueue.store.stepping import take_each
from aqueue.store.together import is_plain_success, pieces
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import SAFETY_ONLY

SMALL_BUDGET = Bucket(gain=1, cost=1000, burst=3, fresh_gain=200)


class OneByOne(SqliteTables):
    """Tables that claim row by row, each by lifecycle.advance."""

    def take_ready(self, now: int, limit: int, narrowing: Narrowing, claim: lifecycle.Claim) -> list[JobRow]:
        return take_each(self, self.ready(now, limit, narrowing), claim, now)


class Pair:
    """Two files with one history: one is written in batches, the other operation by operation, row by row."""

    def __init__(self, together: sqlite3.Connection, each: sqlite3.Connection) -> None:
        self.together, self.each = together, each
        for connection in (together, each):
            create_schema(connection)

    def commit(self, operations: Sequence[Operation[object]], now: int) -> list[Reply]:
        """Run them both ways, and return the replies, which are the same."""
        replies = sqlite.commit_batch(self.together, operations, now)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite, "SqliteTables", OneByOne)
            expected = sqlite._commit_each(self.each, operations, now, {})
        assert [reply for reply, _ in replies] == [reply for reply, _ in expected]
        assert [repr(error) for _, error in replies] == [repr(error) for _, error in expected]
        for table in ("aq_job", "aq_event", "aq_effect", "aq_limit"):
            query = f"SELECT * FROM {table} ORDER BY 1"
            assert self.together.execute(query).fetchall() == self.each.execute(query).fetchall(), table
        return replies


def some_jobs(random: Random, count: int) -> Enqueue:
    """Jobs of two tasks, some with a key, a delay, a deadline or a priority."""
    return Enqueue(
        tuple(
            NewJob(
                uid=f"{random.getrandbits(64)}",
                task=random.choice(("a", "b")),
                payload=b"{}",
                payload_crc=0,
                delay_ms=random.choice((0, 0, 0, 50)),
                max_attempts=3,
                max_claims=6,
                max_redrives=1,
                priority=random.choice((0, 0, 1)),
                deadline_ms=random.choice((None, None, None, 80)),
                order_key=random.choice((None, None, "k")),
            )
            for _ in range(count)
        )
    )


def a_claim(random: Random) -> Claim:
    budget = random.choice((None, SMALL_BUDGET, RetryBudget().bucket))
    isolate_after = random.choice((None, 1))
    nonce = f"{random.getrandbits(64)}"
    return Claim("w", nonce, random.randint(1, 8), lease_ms=100, budget=budget, isolate_after=isolate_after)


def ending(random: Random, job: JobRow) -> Operation[object]:
    """How the attempt ends: mostly well, sometimes too late, with an effect, or twice."""
    attempt = job.life.attempt - (random.random() < 0.1)
    if random.random() < 0.75:
        return Settle(job.id, "w", Succeed(attempt), result=b"1")
    step = random.choice((Fail(attempt, 0), Release(attempt, 0), Bury(attempt, "rejected")))
    return Settle(job.id, "w", step, delay_ms=20, error="no")


def a_batch(random: Random, running: list[JobRow]) -> list[Operation[object]]:
    random.shuffle(running)
    batch: list[Operation[object]] = []
    for job in running[: random.randint(0, len(running))]:
        if random.random() < 0.2:
            batch += [
                BeginEffect(job.id, job.life.attempt, f"e{job.id}", "n"),
                RecordEffect(job.id, job.life.attempt, f"e{job.id}", b"1"),
            ]
        batch.append(ending(random, job))
        if random.random() < 0.1:
            batch.append(batch[-1])
    if random.random() < 0.3:
        batch.insert(random.randint(0, len(batch)), some_jobs(random, random.randint(1, 4)))
    if running and random.random() < 0.2:
        batch.insert(0, Cancel(random.choice(running).id))
    if random.random() < 0.2:
        batch.append(Sweep())
    return [*batch, a_claim(random)]


@pytest.mark.parametrize("seed", range(25))
def test_a_batch_does_what_its_operations_do_one_by_one(seed: int):
    random, now, running = Random(seed), 1000, dict[int, JobRow]()
    with (
        closing(sqlite3.connect(":memory:", isolation_level=None)) as one,
        closing(sqlite3.connect(":memory:", isolation_level=None)) as other,
    ):
        pair = Pair(one, other)
        pair.commit([some_jobs(random, 12)], now)
        for _ in range(30):
            now += random.choice((1, 10, 60))
            batch = a_batch(random, list(running.values()))
            claimed = pair.commit(batch, now)[-1][0]
            running = {job_id: job for job_id, job in running.items() if random.random() < 0.8}
            running |= {job.id: job for job in getattr(claimed, "jobs", ())}
        assert SqliteTables(one).violations(now=now, grace_ms=10**9, free_slots=0) == ()


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(4))
async def test_a_server_answers_a_batch_as_a_store_that_goes_through_it_one_by_one(schema_url: str, seed: int):
    random, clock, running = Random(seed), ManualClock(), dict[int, JobRow]()
    async with (
        PostgresStore(schema_url).open(clock=clock, random=Random(0)) as server,
        MemoryStore().open(clock=clock, random=Random(0)) as memory,
    ):
        for session in (server, memory):
            await session.perform(some_jobs(Random(seed), 40))
        for _ in range(30):
            clock.now += random.choice((1, 10, 60))
            # Without new jobs: where a batch is undone, the server gives the next job another number.
            batch = [each for each in a_batch(random, list(running.values())) if not isinstance(each, Enqueue)]
            answers = await server.perform_all(batch)
            expected = await memory.perform_all(batch)
            assert [reply for reply, _ in answers] == [reply for reply, _ in expected]
            assert [type(error) for _, error in answers] == [type(error) for _, error in expected]
            running = {job_id: job for job_id, job in running.items() if random.random() < 0.8}
            running |= {job.id: job for job in answers[-1][0].jobs}
        for job_id in range(1, 41):
            assert await server.perform(Inspect(job_id)) == await memory.perform(Inspect(job_id))
        assert await server.perform(SAFETY_ONLY) == ()


def test_of_successes_next_to_each_other_only_the_one_that_came_too_late_is_refused():
    """All of them are undone first, and then each is asked by itself."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        create_schema(connection)
        sqlite.commit_batch(connection, [some_jobs(Random(0), 9)], 0)
        reply, _ = sqlite.commit_batch(connection, [Claim("w", "n", 2, lease_ms=9)], 0)[0]
        assert isinstance(reply, ClaimReply)
        first, second = reply.jobs
        batch = [Settle(first.id, "w", Succeed(1)), Settle(second.id, "w", Succeed(2))]
        (piece,) = pieces(batch)
        with pytest.raises(LeaseLost):
            piece.apply(SqliteTables(connection), 1)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        create_schema(connection)
        sqlite.commit_batch(connection, [some_jobs(Random(0), 9)], 0)
        sqlite.commit_batch(connection, [Claim("w", "n", 2, lease_ms=9)], 0)
        (state, none), (nothing, refusal) = sqlite.commit_batch(connection, batch, 1)
        assert (state, none, nothing, type(refusal)) == ("succeeded", None, None, LeaseLost)
        log = connection.execute("SELECT job_id FROM aq_event WHERE kind='succeeded'").fetchall()
        assert log == [(first.id,)]


@pytest.mark.parametrize("word", ["ABORT", "FAIL"])
@pytest.mark.parametrize("column", ["state", "result"], ids=["of a claim", "of settlements"])
def test_what_a_statement_changed_before_it_failed_is_undone(column: str, word: str):
    """Statements do not undo themselves (OR FAIL): the transaction does, or the operation's savepoint."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        create_schema(connection)
        plain = NewJob("", "t", b"x", 1, 0, max_attempts=3, max_claims=9, max_redrives=3)
        sqlite.commit_batch(connection, [Enqueue(tuple(replace(plain, uid=f"u{n}") for n in range(3)))], 0)
        refused_when = {"state": "new.id=3 AND new.state='running'", "result": "new.id=3 AND new.state='succeeded'"}
        connection.execute(
            f"CREATE TRIGGER no BEFORE UPDATE ON aq_job WHEN {refused_when[column]} "
            f"BEGIN SELECT RAISE({word},'not this one'); END"
        )
        ((_, error),) = sqlite.commit_batch(connection, [Claim("w", "n", 3, lease_ms=9)], 1)
        if column == "result":
            assert error is None
            batch = [Settle(number, "w", Succeed(1)) for number in (1, 2, 3)]
            (first, _), (second, _), (_, error) = sqlite.commit_batch(connection, batch, 2)
            assert (first, second) == ("succeeded", "succeeded")
        assert isinstance(error, sqlite3.IntegrityError)
        expected = ["pending"] * 3 if column == "state" else ["succeeded", "succeeded", "running"]
        assert [state for (state,) in connection.execute("SELECT state FROM aq_job ORDER BY id")] == expected
        assert SAFETY_ONLY.apply(SqliteTables(connection), 2) == ()


@pytest.mark.parametrize(
    ("settlement", "plain"),
    [
        (Settle(1, "w", Succeed(1), result=b"1"), True),
        (Settle(1, "w", Succeed(1), error="why"), False),
        (Settle(1, "w", Succeed(1), follow_ups=some_jobs(Random(0), 1).jobs), False),
        (Settle(1, "w", Fail(1, 0)), False),
    ],
    ids=["plain", "error", "follow-up", "fail"],
)
def test_only_a_success_that_does_nothing_else_is_settled_with_others(settlement: Settle, plain: bool):
    assert is_plain_success(settlement) is plain
