"""A random walk over a store: zombies, late duplicate settlements, clock jumps, sweeps run twice, cancels, redrives,
old jobs that are removed."""

from __future__ import annotations

import itertools
from random import Random

from aqueue.codec import checksum, encode_call
from aqueue.errors import LeaseLost
from aqueue.lifecycle import Bury, ConfirmCancel, Fail, Release, State, Succeed
from aqueue.store.base import Session
from aqueue.store.breakers import BreakerRule
from aqueue.store.ledger import BeginEffect, RecordEffect
from aqueue.store.limits import Bucket, TaskRule
from aqueue.store.operations import (
    Cancel,
    Claim,
    Enqueue,
    Lease,
    Redrive,
    ReleaseClaim,
    Renew,
    Settle,
    Settlement,
    Sweep,
)
from aqueue.store.pruning import Prune
from aqueue.store.questions import Dead, Verify
from aqueue.store.rows import JobRow, NewJob
from tests.aqueue.support import ManualClock

LIMITS = TaskRule(
    max_running=6,
    rate=Bucket(gain=20, cost=100, burst=6),
    breaker=BreakerRule("partner", failures=4, open_ms=20, probes=2),
)
PAYLOAD = encode_call((), {}, task="t")
SAFETY_ONLY = Verify(grace_ms=10**15, free_slots=0)


def new_job(uid: str, *, key: str | None = None, unique: str | None = None, attempts: int = 3) -> NewJob:
    return NewJob(
        uid=uid,
        task="t",
        payload=PAYLOAD,
        payload_crc=checksum(PAYLOAD),
        delay_ms=0,
        max_attempts=attempts,
        max_claims=25,
        max_redrives=3,
        order_key=key,
        unique_key=unique,
    )


class Walker:
    """One walk. Its replies are a list, so that two stores can be compared."""

    def __init__(self, session: Session, clock: ManualClock, seed: int) -> None:
        self.session = session
        self.clock = clock
        self.random = Random(seed)
        self.names = (f"n{number}" for number in itertools.count())
        self.held: list[JobRow] = []
        self.replies: list[object] = []
        self.doubts: dict[int, dict[str, None]] = {}  # effects that each job has begun
        # Walks of odd seeds have limits; they are wide enough for a walk to get on.
        is_limited = seed % 2 == 1
        self.rules = {"t": LIMITS} if is_limited else {}
        self.budget = Bucket(gain=2, cost=100, burst=5, fresh_gain=50) if is_limited else None
        self.fenced = 0
        self.jobs = 0

    async def walk(self, steps: int, *, check_every: int = 1) -> None:
        for number in range(steps):
            self.clock.now += self.random.choice([0, 1, 2, 5, 40])
            await self.step()
            if number % check_every == 0:
                assert await self.session.perform(SAFETY_ONLY) == ()
        assert await self.session.perform(SAFETY_ONLY) == ()

    async def step(self) -> None:
        choice = self.random.random()
        if choice < 0.25:
            await self.enqueue()
        elif choice < 0.50:
            await self.claim()
        elif choice < 0.55 and self.held:
            await self.renew()
        elif choice < 0.85 and self.held:
            await self.settle(self.held.pop(self.random.randrange(len(self.held))))
        elif choice < 0.93:
            for _ in range(1 if self.random.random() < 0.7 else 2):
                self.replies.append(await self.session.perform(Sweep()))
        elif choice < 0.94:
            keep_ms: dict[State, int] = {"succeeded": 400, "cancelled": 400, "dead": 800}
            self.replies.append(await self.session.perform(Prune(self.random.choice([0, 20]), keep_ms, limit=20)))
        elif choice < 0.97:
            self.replies.append(await self.session.perform(Cancel(self.random.randint(1, 200))))
        else:
            for row in await self.session.perform(Dead(100)):
                self.replies.append(await self.session.perform(Redrive(row.id)))

    async def enqueue(self) -> None:
        key = self.random.choice([None, None, "a", "b"])
        unique = self.random.choice([None, None, None, "u1"])
        operation = Enqueue((new_job(next(self.names), key=key, unique=unique),))
        first = await self.session.perform(operation)
        self.replies.append(first)
        self.jobs += first[0].created
        if self.random.random() < 0.1 and first[0].created:
            assert await self.session.perform(operation) == first  # its reply was lost: repeated, it is the same job

    async def claim(self) -> None:
        worker = f"w{self.random.randint(1, 3)}"
        operation = Claim(
            worker,
            next(self.names),
            self.random.randint(1, 4),
            lease_ms=30,
            rules=self.rules,
            budget=self.budget,
            isolate_after=self.random.choice([None, None, 1]),
            is_idle=self.random.random() < 0.5,
        )
        reply = await self.session.perform(operation)
        self.replies.append(reply)
        luck = self.random.random()
        if luck < 0.1:
            assert (await self.session.perform(operation)).jobs == reply.jobs or not reply.jobs
        if luck > 0.95:
            self.replies.append(await self.session.perform(ReleaseClaim(operation.nonce)))
        self.held += reply.jobs
        for row in reply.jobs:
            if self.random.random() < 0.4:
                key = f"e{row.id}" if self.random.random() < 0.8 else "shared"
                await self.perform_effect(row, key, recorded=self.random.random() < 0.7)

    async def perform_effect(self, row: JobRow, key: str, *, recorded: bool) -> None:
        attempt = row.life.attempt
        try:
            begun = await self.session.perform(BeginEffect(row.id, attempt, key, next(self.names)))
            self.replies.append(begun)
            if begun.standing in ("fresh", "ambiguous"):
                self.doubts.setdefault(row.id, {})[key] = None
                if recorded:
                    await self.session.perform(RecordEffect(row.id, attempt, key, b"1"))
        except LeaseLost:
            self.fenced += 1

    async def renew(self) -> None:
        row = self.random.choice(self.held)
        self.replies.append(await self.session.perform(Renew((Lease(row.id, row.life.attempt, 30),))))

    async def settle(self, row: JobRow) -> None:
        await self.settle_as(row, self.random.choice(["ok", "ok", "error", "release", "bury", "cancelled"]))
        if self.random.random() < 0.3:
            await self.settle_as(row, self.random.choice(["ok", "error"]))  # late, and perhaps in contradiction

    async def settle_as(self, row: JobRow, how: str) -> None:
        attempt = row.life.attempt
        steps: dict[str, Settlement] = {
            "ok": Succeed(attempt),
            "error": Fail(attempt, run_at=0),
            "release": Release(attempt, run_at=0),
            "bury": Bury(attempt, "rejected"),
            "cancelled": ConfirmCancel(attempt),
        }
        if how == "ok":  # a handler that returns has decided every effect that its job began
            for key in tuple(self.doubts.get(row.id, ())):
                await self.perform_effect(row, key, recorded=True)
        assert row.life.worker is not None
        delay_ms = self.random.randint(0, 20) if how == "error" else 0
        breaker = self.rules[row.task].breaker if row.task in self.rules else None
        operation = Settle(row.id, row.life.worker, steps[how], delay_ms=delay_ms, breaker=breaker)
        try:
            self.replies.append(await self.session.perform(operation))
        except LeaseLost:
            self.fenced += 1
            self.replies.append("lease lost")
