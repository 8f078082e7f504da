"""A Hypothesis state machine over every operation, with all limits, on any store.

It knows of each claim what the limits allow, from a model of its own, and of each moment that every safety invariant
holds.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import anyio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aqueue import Store
from aqueue.errors import LeaseLost, QueueFull
from aqueue.lifecycle import Bury, ConfirmCancel, Fail, Release, Succeed
from aqueue.store.breakers import BreakerRule
from aqueue.store.ledger import BeginEffect, RecordEffect
from aqueue.store.limits import QUEUE, Bucket, Pause, TaskRule, task_scope
from aqueue.store.operations import Cancel, Claim, Enqueue, Lease, Redrive, ReleaseClaim, Renew, Settle, Sweep
from aqueue.store.pruning import Prune
from aqueue.store.questions import Dead
from aqueue.store.rows import JobRow, NewJob
from aqueue.store.schedules import DeclareSchedule, Fire, Unschedule
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import SAFETY_ONLY, new_job

TASKS = ("free", "narrow", "rated", "fragile", "frail")
BREAKER = BreakerRule("partner", failures=2, open_ms=100, probes=1)
RULES = {
    "free": TaskRule(),
    "narrow": TaskRule(max_running=2),
    "rated": TaskRule(rate=Bucket(gain=3, cost=100, burst=2)),
    "fragile": TaskRule(breaker=BREAKER),
    "frail": TaskRule(breaker=BREAKER, max_running=3),
}
BUDGET = Bucket(gain=1, cost=100, burst=3, fresh_gain=20)
MAX_PENDING = {QUEUE: 12, task_scope("narrow"): 6}
LEASE_MS = 60


class QueueMachine(RuleBasedStateMachine):
    """One store and its clock; the session lives on a loop that stands still between the steps."""

    make_store: Callable[[], Store]

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.portal_manager = anyio.from_thread.start_blocking_portal()
        self.portal = self.portal_manager.__enter__()
        store = type(self).make_store()
        self.session_manager = self.portal.wrap_async_context_manager(store.open(clock=self.clock, random=Random(0)))
        self.session = self.session_manager.__enter__()
        self.names = 0
        self.held: list[JobRow] = []
        self.doubts: set[int] = set()
        self.paused: set[str] = set()
        self.rated_at: list[int] = []
        self.fired: set[tuple[str, int]] = set()

    def teardown(self) -> None:
        self.session_manager.__exit__(None, None, None)
        self.portal_manager.__exit__(None, None, None)

    def perform(self, operation: Any) -> Any:
        return self.portal.call(self.session.perform, operation)

    def name(self) -> str:
        self.names += 1
        return f"n{self.names}"

    @invariant()
    def every_safety_invariant_holds(self) -> None:
        assert self.perform(SAFETY_ONLY) == ()

    @rule(passed=st.sampled_from([0, 1, 7, 30, 61, 150, 60_000]))
    def time_passes(self, passed: int) -> None:
        self.clock.now += passed

    @rule(back=st.sampled_from([1, 50, 1000]))
    def clock_goes_back(self, back: int) -> None:
        self.clock.now -= back
        self.rated_at.clear()  # the bound on a rate is one in the clock's time

    @rule(
        task=st.sampled_from(TASKS),
        count=st.integers(1, 5),
        key=st.sampled_from([None, None, "a", "b"]),
        unique=st.sampled_from([None, None, "u"]),
    )
    def enqueue(self, task: str, count: int, key: str | None, unique: str | None) -> None:
        news = tuple(self.new(task, key=key, unique=unique) for _ in range(count))
        before = self.pending()
        try:
            enqueued = self.perform(Enqueue(news, MAX_PENDING))
        except QueueFull:
            assert self.pending() == before
            assert before + count > 12 or self.pending("narrow") + count > 6
            return
        assert self.perform(Enqueue(news, MAX_PENDING)) == enqueued, "its reply was lost: repeated, they are the same"
        assert self.pending() <= max(12, before)

    @rule(task=st.sampled_from(TASKS), count=st.integers(3, 6), how=st.sampled_from(["ok", "error", "keep"]))
    def flood(self, task: str, count: int, how: str) -> None:
        """More than a limit lets through at once, taken by one idle worker, and settled alike."""
        self.enqueue(task, count, None, None)
        self.claim(8, "w3", idle=True, lost=False)
        while how != "keep" and self.held:
            row = self.held.pop()
            step = Succeed(row.life.attempt) if how == "ok" else Fail(row.life.attempt, run_at=0)
            assert row.life.worker is not None
            with suppress(LeaseLost):
                self.perform(Settle(row.id, row.life.worker, step, 0, breaker=RULES[row.task].breaker))

    @rule(count=st.integers(1, 3))
    def crash(self, count: int) -> None:
        """A worker dies with jobs in hand, and they are freed; their zombies stay in self.held."""
        self.claim(count, "w4", idle=True, lost=False)
        self.clock.now += LEASE_MS + 1
        self.sweep_twice()

    def new(self, task: str, **options: Any) -> NewJob:
        job = new_job(self.name(), **options)
        return NewJob(**{name: getattr(job, name) for name in NewJob.__struct_fields__} | {"task": task})

    def pending(self, task: str | None = None) -> int:
        return int(self.perform(CountPending(task)))

    @rule(room=st.integers(1, 8), worker=st.sampled_from(["w1", "w2"]), idle=st.booleans(), lost=st.booleans())
    def claim(self, room: int, worker: str, idle: bool, lost: bool) -> None:
        operation = Claim(
            worker, self.name(), room, LEASE_MS, rules=RULES, budget=BUDGET, isolate_after=1, is_idle=idle
        )
        before = self.perform(Flow())
        reply = self.perform(operation)
        if lost and reply.jobs:
            assert self.perform(operation).jobs == reply.jobs
        self.check_claim(reply.jobs, before, idle=idle)
        self.held += reply.jobs
        assert len(reply.jobs) <= room
        assert reply.wait_ms is None or reply.wait_ms > 0

    def check_claim(self, jobs: tuple[JobRow, ...], before: Any, *, idle: bool) -> None:
        now = self.clock.now
        if QUEUE in self.paused:
            assert not jobs
        for job in jobs:
            assert task_scope(job.task) not in self.paused
            if job.life.crashes:
                assert (idle, len(jobs)) == (True, 1), "a suspect is taken alone"
        after = self.perform(Flow())
        assert after.running.get("narrow", 0) <= 2
        assert after.running.get("frail", 0) <= 3
        self.rated_at += [now for job in jobs if job.task == "rated"]
        for start in self.rated_at:
            within = [at for at in self.rated_at if at >= start]
            assert len(within) * 100 <= 200 + (now - start) * 3, "burst and rate bound every stretch of time"
        retries = sum(1 for job in jobs if job.life.failures)
        fresh = sum(1 for job in jobs if job.life.attempt == 1)
        assert retries * 100 <= before.budget(now) + fresh * 20
        breaker = after.breakers.get("partner")
        taken = [job for job in jobs if job.task in ("fragile", "frail")]
        if breaker is not None and breaker.state == "open":
            assert not taken
        if taken and breaker is not None and breaker.state == "half-open":
            assert after.running.get("fragile", 0) + after.running.get("frail", 0) == 1

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=st.sampled_from(["ok", "error", "release", "bury", "cancelled"]), again=st.booleans())
    def settle(self, data: Any, how: str, again: bool) -> None:
        row = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        attempt = row.life.attempt
        steps: dict[str, Any] = {
            "ok": Succeed(attempt),
            "error": Fail(attempt, run_at=0),
            "release": Release(attempt, run_at=0),
            "bury": Bury(attempt, "rejected"),
            "cancelled": ConfirmCancel(attempt),
        }
        rule = RULES[row.task].breaker if row.task in RULES else None
        follow_ups = (self.new("free"),) if how == "ok" and data.draw(st.booleans()) else ()
        assert row.life.worker is not None
        if how == "ok" and row.id in self.doubts:  # a handler that returns has decided every effect that its job began
            self.perform_effect(row, applied=True)
        operation = Settle(row.id, row.life.worker, steps[how], 5, breaker=rule, follow_ups=follow_ups)
        before = self.pending()
        try:
            state = self.perform(operation)
        except LeaseLost:
            assert self.pending() == before, "a stale owner writes nothing, and enqueues nothing"
            return
        if again:
            between = self.perform(Flow())
            try:
                assert self.perform(operation) == state
            except LeaseLost:
                assert how == "cancelled"
            assert self.perform(Flow()) == between, "a repeated settlement counts nothing twice"

    @precondition(lambda self: self.held)
    @rule(data=st.data(), applied=st.booleans())
    def effect(self, data: Any, applied: bool) -> None:
        self.perform_effect(data.draw(st.sampled_from(self.held)), applied=applied)

    def perform_effect(self, row: JobRow, *, applied: bool) -> None:
        key = f"e{row.id}"
        self.doubts.add(row.id)
        try:
            begun = self.perform(BeginEffect(row.id, row.life.attempt, key, self.name()))
            if applied and begun.standing in ("fresh", "ambiguous"):
                self.perform(RecordEffect(row.id, row.life.attempt, key, b"1"))
        except LeaseLost:
            pass

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def renew(self, data: Any) -> None:
        row = data.draw(st.sampled_from(self.held))
        self.perform(Renew((Lease(row.id, row.life.attempt, LEASE_MS),)))

    @precondition(lambda self: self.held)
    @rule()
    def abandon_claims(self) -> None:
        for row in self.held:
            assert row.life.claim_nonce is not None
            self.perform(ReleaseClaim(row.life.claim_nonce))
        self.held.clear()

    @rule()
    def sweep_twice(self) -> None:
        self.perform(Sweep())
        assert self.perform(Sweep()) == ()

    @rule(kept=st.sampled_from([30, 1000]))
    def prune(self, kept: int) -> None:
        keep_ms: Any = {"succeeded": kept, "cancelled": kept, "dead": 2 * kept}
        self.perform(Prune(0, keep_ms))
        assert self.perform(Prune(0, keep_ms)).removed == 0

    @rule(job=st.integers(1, 30))
    def cancel(self, job: int) -> None:
        self.perform(Cancel(job))

    @rule()
    def redrive_all(self) -> None:
        for row in self.perform(Dead(100)):
            self.perform(Redrive(row.id, row.life.attempt))

    @rule(scope=st.sampled_from([QUEUE, task_scope("free"), task_scope("rated")]), paused=st.booleans())
    def pause(self, scope: str, paused: bool) -> None:
        was = scope in self.paused
        assert self.perform(Pause(scope, paused)) is (was != paused)
        (self.paused.add if paused else self.paused.discard)(scope)

    @rule(catchup=st.sampled_from(["last", "all", "none"]), cron=st.sampled_from(["* * * * *", "*/2 * * * *"]))
    def declare_schedule(self, catchup: Any, cron: str) -> None:
        next_at = self.perform(DeclareSchedule("s", cron, "UTC", catchup, self.new("free")))
        assert next_at == self.perform(DeclareSchedule("s", cron, "UTC", catchup, self.new("free")))

    @rule()
    def fire_twice(self) -> None:
        fired = self.perform(Fire(("s",)))
        again = self.perform(Fire(("s",)))
        assert fired.wait_ms == 0 or again.job_ids == ()

    @rule()
    def unschedule(self) -> None:
        self.perform(Unschedule("s"))

    @initialize()
    def begin(self) -> None:
        self.perform(Enqueue((self.new("free"),)))


class CountPending:
    """Pending jobs, of one task or all."""

    def __init__(self, task: str | None) -> None:
        self.task = task

    def apply(self, tables: Any, now: int) -> int:
        return int(tables.count_pending(self.task, 10_000))


class Flow:
    """What the limits are made of."""

    def apply(self, tables: Any, now: int) -> Flow:
        self.running = {task: tables.count_running(task) for task in TASKS}
        self.limits = tables.limits()
        self.breakers = tables.breakers()
        self.schedules = tables.schedules()
        return self

    def budget(self, now: int) -> int:
        """Units of the retry budget at that time; a full bucket before the first claim."""
        row = self.limits.get("retries")
        return 300 if row is None else min(300, row.level + max(0, now - row.level_at) * row.gain)

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Flow)
        return (self.running, self.limits, self.breakers) == (other.running, other.limits, other.breakers)

    __hash__ = None  # type: ignore[assignment]
