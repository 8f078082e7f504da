"""Limits in the store: over several workers, at the exact millisecond, and with nothing lost.

Method: operations on both stores with a clock moved by hand; two claimers stand for two processes.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from aqueue import BadOption, QueueFull, Rate, RetryBudget, Session, Store
from aqueue.flow import Breaker, rate_of
from aqueue.lifecycle import Bury, Fail, Release, Succeed
from aqueue.store.breakers import BreakerRule
from aqueue.store.limits import QUEUE, Bucket, Pause, TaskRule, task_scope
from aqueue.store.operations import Claim, ClaimReply, Enqueue, Settle, Sweep
from aqueue.store.questions import Verify
from aqueue.store.rows import JobRow
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import SAFETY_ONLY, new_job

pytestmark = pytest.mark.anyio


class Desk:
    """A session with its clock, and short ways to say things. After each, every safety invariant holds."""

    def __init__(self, session: Session, clock: ManualClock) -> None:
        self.session, self.clock, self.names = session, clock, 0

    async def perform(self, operation: Any) -> Any:
        reply = await self.session.perform(operation)
        assert await self.session.perform(SAFETY_ONLY) == ()
        return reply

    def name(self) -> str:
        self.names += 1
        return f"n{self.names}"

    async def enqueue(self, count: int, task: str = "t", **options: Any) -> None:
        await self.perform(Enqueue(tuple(replace(new_job(self.name(), **options), task=task) for _ in range(count))))

    async def claim(self, room: int = 10, worker: str = "w", lease: int = 1000, **limits: Any) -> ClaimReply:
        reply: ClaimReply = await self.perform(Claim(worker, self.name(), room, lease, **limits))
        return reply

    async def settle(self, jobs: Sequence[JobRow], how: str = "ok", breaker: BreakerRule | None = None) -> None:
        for job in jobs:
            attempt = job.life.attempt
            step: Any = {"ok": Succeed(attempt), "bury": Bury(attempt, "x"), "release": Release(attempt, 0)}.get(how)
            step = step or Fail(attempt, 0)
            await self.perform(Settle(job.id, job.life.worker or "", step, breaker=breaker))

    async def stuck(self, grace: int = 10) -> tuple[str, ...]:
        return tuple(found.invariant for found in await self.session.perform(Verify(grace, free_slots=1)))


@pytest.fixture
async def desk(make_store: Callable[[], Store]) -> Any:
    clock = ManualClock()
    async with make_store().open(clock=clock, random=Random(0)) as session:
        yield Desk(session, clock)


# Concurrency.


async def test_a_concurrency_holds_over_two_workers_and_a_settlement_makes_room(desk: Desk):
    rules = {"t": TaskRule(max_running=3)}
    await desk.enqueue(5)
    await desk.enqueue(1, task="other")
    first = await desk.claim(2, rules=rules)
    second = await desk.claim(9, worker="w2", rules=rules)
    assert [job.task for job in (*first.jobs, *second.jobs)] == ["t", "t", "t", "other"]
    await desk.settle(first.jobs[:1])
    assert len((await desk.claim(9, rules=rules)).jobs) == 1


async def test_a_full_task_does_not_hide_the_jobs_behind_its_own(desk: Desk):
    await desk.enqueue(50)
    await desk.enqueue(2, task="other")
    taken = await desk.claim(4, rules={"t": TaskRule(max_running=1)})
    assert [job.task for job in taken.jobs] == ["t", "other", "other"]


async def test_a_dead_workers_job_counts_until_it_is_rescued(desk: Desk):
    rules = {"t": TaskRule(max_running=1)}
    await desk.enqueue(2)
    await desk.claim(rules=rules, lease=50)
    desk.clock.now += 51
    assert not (await desk.claim(rules=rules)).jobs
    await desk.perform(Sweep())
    assert len((await desk.claim(rules=rules)).jobs) == 1


async def test_a_limit_that_left_the_code_leaves_the_store(desk: Desk):
    await desk.enqueue(3)
    assert len((await desk.claim(rules={"t": TaskRule(max_running=1)})).jobs) == 1
    assert len((await desk.claim(rules={"t": TaskRule()})).jobs) == 2


# Rate.


async def test_a_rate_lets_its_burst_through_and_then_one_at_a_time_and_says_when(desk: Desk):
    rules = {"t": TaskRule(rate=Rate(50, burst=3).bucket)}
    await desk.enqueue(20)
    first = await desk.claim(rules=rules)
    assert (len(first.jobs), first.wait_ms) == (3, 20)
    desk.clock.now += 19
    assert (await desk.claim(worker="w2", rules=rules)) == ClaimReply((), 1)
    desk.clock.now += 1
    assert len((await desk.claim(worker="w2", rules=rules)).jobs) == 1
    desk.clock.now += 45
    assert len((await desk.claim(rules=rules)).jobs) == 2
    desk.clock.now += 15  # the 5 ms that were over are not lost: integers carry them
    assert len((await desk.claim(rules=rules)).jobs) == 1


async def test_a_bucket_never_holds_more_than_its_burst(desk: Desk):
    rules = {"t": TaskRule(rate=Rate(50, burst=3).bucket)}
    await desk.enqueue(20)
    await desk.claim(1, rules=rules)
    desk.clock.now += 3_600_000
    assert len((await desk.claim(rules=rules)).jobs) == 3


async def test_a_clock_that_goes_back_neither_fills_nor_empties_a_bucket(desk: Desk):
    rules = {"t": TaskRule(rate=Rate(1, burst=2).bucket)}
    await desk.enqueue(9)
    desk.clock.now += 10_000
    assert len((await desk.claim(1, rules=rules)).jobs) == 1
    desk.clock.now -= 9_000
    assert len((await desk.claim(rules=rules)).jobs) == 1
    desk.clock.now += 1_000
    assert len((await desk.claim(rules=rules)).jobs) == 1


async def test_a_rate_that_changes_keeps_what_is_in_the_bucket(desk: Desk):
    await desk.enqueue(99)
    await desk.claim(99, rules={"t": TaskRule(rate=Bucket(gain=1, cost=100, burst=5))})
    assert not (await desk.claim(rules={"t": TaskRule(rate=Bucket(gain=2, cost=100, burst=50))})).jobs


async def test_a_job_past_its_deadline_waits_for_no_limit_and_uses_none_up(desk: Desk):
    rules = {"t": TaskRule(max_running=1, rate=Rate(1, per=60).bucket)}
    await desk.perform(Enqueue((new_job("first"), new_job("in time"), replace(new_job("late"), deadline_ms=5))))
    (first,) = (await desk.claim(rules=rules)).jobs
    desk.clock.now += 4
    assert not (await desk.claim(rules=rules)).jobs
    desk.clock.now += 1
    (late,) = (await desk.claim(rules=rules)).jobs
    assert late.uid == "late"
    await desk.settle([late], "bury")
    await desk.settle([first])
    desk.clock.now += 60_000
    assert [job.uid for job in (await desk.claim(rules=rules)).jobs] == ["in time"]


# Pauses.


@pytest.mark.parametrize("scope", [QUEUE, task_scope("t")])
async def test_what_is_paused_is_not_claimed_by_anybody_until_it_is_resumed(desk: Desk, scope: str):
    await desk.enqueue(2)
    assert await desk.perform(Pause(scope))
    assert not await desk.perform(Pause(scope)), "it was no change"
    assert not (await desk.claim(rules={"t": TaskRule()})).jobs
    desk.clock.now += 1000
    assert await desk.stuck() == (), "what is paused is not stuck"
    assert await desk.perform(Pause(scope, paused=False))
    assert await desk.stuck() == ("L2_ready_is_claimed",)
    assert len((await desk.claim()).jobs) == 2


async def test_a_paused_task_stands_in_nobodys_way_but_its_keys(desk: Desk):
    await desk.enqueue(1, key="k")
    await desk.enqueue(1, task="other", key="k")
    await desk.enqueue(1, task="other")
    await desk.perform(Pause(task_scope("t")))
    assert [job.id for job in (await desk.claim()).jobs] == [3], "the order of a key holds through a pause"


# Backpressure.


async def test_a_full_queue_takes_all_of_a_batch_or_nothing(desk: Desk):
    bound = {QUEUE: 3}
    await desk.enqueue(2)
    with pytest.raises(QueueFull, match=r"AQ009 2 jobs are pending.*at most 3"):
        await desk.perform(Enqueue((new_job("a"), new_job("b")), bound))
    assert [reply.created for reply in await desk.perform(Enqueue((new_job("a"),), bound))] == [True]
    assert [reply.created for reply in await desk.perform(Enqueue((new_job("a"),), bound))] == [True], (
        "a repetition fits"
    )
    await desk.claim(1)
    await desk.perform(Enqueue((new_job("c"),), bound))


async def test_a_live_twin_needs_no_room(desk: Desk):
    await desk.enqueue(1, unique="u")
    (reply,) = await desk.perform(Enqueue((new_job("a", unique="u"),), {QUEUE: 1}))
    assert not reply.created


async def test_the_bound_of_a_task_counts_its_own_jobs(desk: Desk):
    await desk.enqueue(5, task="other")
    bound = {task_scope("t"): 1}
    await desk.perform(Enqueue((new_job("a"),), bound))
    with pytest.raises(QueueFull, match="task:t"):
        await desk.perform(Enqueue((new_job("b"),), bound))


# The retry budget.

BUDGET = RetryBudget(percent=20, per_second=1, reserve=2).bucket


async def fail_once(desk: Desk, count: int) -> None:
    await desk.enqueue(count)
    await desk.settle((await desk.claim(count)).jobs, "error")


async def test_retries_without_budget_wait_and_fail_no_further(desk: Desk):
    await fail_once(desk, 6)
    reply = await desk.claim(budget=BUDGET)
    assert (len(reply.jobs), reply.wait_ms) == (2, 1000), "the reserve, then one a second"
    desk.clock.now += 1000
    assert len((await desk.claim(budget=BUDGET)).jobs) == 1
    assert await desk.stuck() == (), "what waits for the budget is not stuck"


async def test_first_tries_earn_retries(desk: Desk):
    await fail_once(desk, 6)
    await desk.claim(budget=BUDGET)
    await desk.enqueue(5)
    assert len((await desk.claim(5, budget=BUDGET)).jobs) == 5, "first tries pass an empty budget"
    retried = (await desk.claim(budget=BUDGET)).jobs
    assert [job.life.failures for job in retried] == [1], "20 % of five"


async def test_a_release_and_a_redrive_are_no_retries(desk: Desk):
    await desk.enqueue(1)
    none_left = RetryBudget(percent=0, per_second=1, reserve=1).bucket
    await fail_once(desk, 1)
    assert len((await desk.claim(budget=none_left)).jobs) == 2
    await desk.enqueue(1)
    await desk.settle((await desk.claim(budget=none_left)).jobs, "release")
    assert len((await desk.claim(budget=none_left)).jobs) == 1


async def test_without_a_budget_every_retry_goes_through(desk: Desk):
    await fail_once(desk, 9)
    assert len((await desk.claim()).jobs) == 9


# Circuit breakers.

RULE = BreakerRule("partner", failures=2, open_ms=100, probes=1)
BEHIND = {"t": TaskRule(breaker=RULE), "u": TaskRule(breaker=RULE), "free": TaskRule()}


async def test_failures_in_a_row_open_a_breaker_for_all_its_tasks_and_no_other(desk: Desk):
    await desk.enqueue(1)
    await desk.enqueue(3, task="u")
    await desk.settle((await desk.claim(2, rules=BEHIND)).jobs, "error", RULE)
    await desk.enqueue(1, task="free")
    reply = await desk.claim(rules=BEHIND)
    assert ([job.task for job in reply.jobs], reply.wait_ms) == (["free"], 100)
    assert await desk.stuck(grace=-1) == (), "what waits behind an open breaker is not stuck"


async def test_a_failure_whose_reply_was_lost_is_counted_once(desk: Desk):
    await desk.enqueue(2)
    (job,) = (await desk.claim(1, rules=BEHIND)).jobs
    for _ in range(3):
        await desk.settle([job], "error", RULE)
    assert len((await desk.claim(rules=BEHIND)).jobs) == 2, "one failure of two is no reason to open"


async def test_a_success_in_between_starts_the_count_again(desk: Desk):
    await desk.enqueue(4)
    for how in ("error", "ok", "error"):
        await desk.settle((await desk.claim(1, rules=BEHIND)).jobs, how, RULE)
    assert (await desk.claim(rules=BEHIND)).jobs


async def opened(desk: Desk) -> None:
    await desk.enqueue(5)
    await desk.settle((await desk.claim(2, rules=BEHIND)).jobs, "error", RULE)
    desk.clock.now += 99
    assert not (await desk.claim(rules=BEHIND)).jobs
    desk.clock.now += 1


async def test_a_half_open_breaker_lets_one_probe_through_over_all_workers(desk: Desk):
    await opened(desk)
    (probe,) = (await desk.claim(rules=BEHIND)).jobs
    assert not (await desk.claim(worker="w2", rules=BEHIND)).jobs
    await desk.settle([probe], "ok", RULE)
    assert len((await desk.claim(rules=BEHIND)).jobs) == 4, "closed again"


async def test_a_probe_that_fails_opens_it_for_as_long_again(desk: Desk):
    await opened(desk)
    await desk.settle((await desk.claim(rules=BEHIND)).jobs, "error", RULE)
    assert (await desk.claim(rules=BEHIND)) == ClaimReply((), 100)


async def test_a_probe_whose_worker_dies_blocks_the_next_one_until_its_lease_ends(desk: Desk):
    await opened(desk)
    await desk.claim(rules=BEHIND, lease=50)
    desk.clock.now += 51
    assert not (await desk.claim(rules=BEHIND)).jobs
    await desk.perform(Sweep())
    assert len((await desk.claim(rules=BEHIND)).jobs) == 1


async def test_a_job_that_ends_while_the_breaker_is_open_is_no_news(desk: Desk):
    await desk.enqueue(3)
    first, second, late = (await desk.claim(3, rules=BEHIND)).jobs
    await desk.settle([first, second], "error", RULE)
    await desk.settle([late], "ok", RULE)
    assert not (await desk.claim(rules=BEHIND)).jobs


async def test_a_job_that_can_never_succeed_says_nothing_of_its_resource(desk: Desk):
    await desk.enqueue(4)
    await desk.settle((await desk.claim(2, rules=BEHIND)).jobs, "bury", RULE)
    assert len((await desk.claim(rules=BEHIND)).jobs) == 2


async def test_a_clock_that_goes_back_opens_no_breaker_for_longer_than_it_says(desk: Desk):
    await opened(desk)
    desk.clock.now -= 50_000
    await desk.enqueue(1)
    assert (await desk.claim(rules=BEHIND)).wait_ms == 100
    desk.clock.now += 100
    assert (await desk.claim(rules=BEHIND)).jobs


# Suspects.


async def crashed(desk: Desk, count: int = 2) -> None:
    await desk.enqueue(count)
    await desk.claim(count, lease=10)
    desk.clock.now += 11
    assert len(await desk.perform(Sweep())) == count


async def test_a_job_that_lost_its_lease_runs_alone(desk: Desk):
    await crashed(desk)
    await desk.enqueue(3)
    (suspect,) = (await desk.claim(isolate_after=1, is_idle=True)).jobs
    assert suspect.life.crashes == 1
    others = (await desk.claim(isolate_after=1)).jobs
    assert [job.life.crashes for job in others] == [0, 0, 0], "a worker that is not idle takes the others"


async def test_a_suspect_that_waits_for_longer_than_a_lease_makes_workers_idle(desk: Desk):
    await crashed(desk, 1)
    await desk.enqueue(3)
    desk.clock.now += 1000
    assert len((await desk.claim(1, isolate_after=1)).jobs) == 1
    desk.clock.now += 1
    assert not (await desk.claim(isolate_after=1)).jobs
    assert len((await desk.claim(isolate_after=1, is_idle=True)).jobs) == 1


@pytest.mark.parametrize("how", ["error", "release"])
async def test_whatever_else_ends_an_attempt_clears_the_suspicion(desk: Desk, how: str):
    await crashed(desk, 1)
    await desk.settle((await desk.claim(isolate_after=1, is_idle=True)).jobs, how)
    await desk.enqueue(1)
    assert len((await desk.claim(isolate_after=1)).jobs) == 2


async def test_suspicion_may_start_later_or_never(desk: Desk):
    await crashed(desk, 2)
    assert len((await desk.claim(1, isolate_after=2)).jobs) == 1
    assert len((await desk.claim(1)).jobs) == 1


# What users say.


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    ("text", "bucket"),
    [
        ("50/s", Bucket(50, 1000, 50)),
        ("600/m", Bucket(600, 60_000, 600)),
        (" 5 / h ", Bucket(5, 3_600_000, 5)),
        ("1/d", Bucket(1, 86_400_000, 1)),
    ],
)
async def test_a_rate_can_be_written(text: str, bucket: Bucket):
    assert rate_of(text).bucket == bucket


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("text", ["", "50", "0/s", "5/w", "-1/s", "5/s/s"])
async def test_a_rate_that_is_none_is_refused(text: str):
    with pytest.raises(BadOption, match=r"AQ003 rate="):
        rate_of(text)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: Rate(0),
        lambda: Rate(1, per=0),
        lambda: Rate(1, burst=0),
        lambda: RetryBudget(percent=-1),
        lambda: RetryBudget(per_second=0),
        lambda: RetryBudget(reserve=0),
        lambda: Breaker(failures=0),
        lambda: Breaker(open_for=0),
        lambda: Breaker(probes=0),
    ],
    ids=["count", "per", "burst", "percent", "per_second", "reserve", "failures", "open_for", "probes"],
)
async def test_numbers_out_of_range_are_refused(make: Callable[[], object]):
    with pytest.raises(BadOption, match="out of range"):
        make()
