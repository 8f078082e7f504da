"""What repair makes of one kind of damage after another."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from aqueue.codec import decode_call
from aqueue.lifecycle import Bury, ConfirmCancel, Fail, Succeed
from aqueue.store.fold import Contradiction, Standing, fold
from aqueue.store.operations import Cancel, Claim, Redrive, Settle
from aqueue.store.repair import Cure, Mend
from aqueue.store.rows import Event
from tests.aqueue.mending import cure, inspect, mend, opened, start, tamper
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import new_job

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """One: repair waits for nothing but its store, which other tests run on both."""
    return "asyncio"


DAY_MS = 86_400_000


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
