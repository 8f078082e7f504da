"""One job in a worker's hands: how long it may go on, and why it was stopped.

It knows anyio's clock and one cancel scope, no store. The scope's deadline is that of the try, if it has one; the end
of the lease is watched for all jobs of a worker together (leases.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import anyio

from aqueue.store.operations import Lease, Settle
from aqueue.store.rows import JobRow

__all__ = ["Running", "StopReason"]

StopReason: TypeAlias = Literal["lease lost", "cancel requested", "timed out", "expired"]
RENEWALS_PER_LEASE: Final = 3


@dataclass(eq=False, slots=True)
class Running:
    """A claimed job. All times are anyio.current_time(), seconds.

    is_settled: tx() has written its success; the handler may go on, the job does not.
    is_adopted: its task has taken its first step, and gives the job back or settles it whatever happens.
    settlement: how its handler ended, once it has; then it takes no slot, and is kept until that is written.
    claimed_at: taken before the claim was sent, so that the lease ends here no later than in the store; and so does
    the job's own deadline, which is a time of the store's clock.
    claimed_at_ms: what that clock showed then.
    key: the job's number, and the fencing token of this claim.
    """

    job: JobRow
    lease_seconds: float
    claimed_at: float
    claimed_at_ms: int
    is_adopted: bool = False
    is_settled: bool = False
    stop: StopReason | None = None
    stopped_at: float = math.inf
    try_ends: float = math.inf
    try_ends_as: StopReason = "timed out"
    lease_ends: float = field(init=False)
    renew_at: float = field(init=False)
    key: tuple[int, int] = field(init=False)
    settlement: Settle | None = None
    is_lease_lost: bool = False
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _lease_lost: anyio.Event | None = None

    def __post_init__(self) -> None:
        """Start the lease at the claim."""
        self.lease_ends = self.claimed_at + self.lease_seconds
        self.renew_at = self.claimed_at + self.lease_seconds / RENEWALS_PER_LEASE
        self.key = (self.job.id, self.job.life.attempt)

    @property
    def expires_at(self) -> float:
        """When running the job becomes pointless, by what the store's clock showed and the loop's has counted since."""
        deadline = self.job.deadline
        return math.inf if deadline is None else self.claimed_at + (deadline - self.claimed_at_ms) / 1000

    @property
    def lease_lost(self) -> anyio.Event:
        """Set as soon as the lease is known to be lost. Made when it is asked for: few handlers look."""
        if self._lease_lost is None:
            self._lease_lost = anyio.Event()
            if self.is_lease_lost:
                self._lease_lost.set()
        return self._lease_lost

    def lose_lease(self) -> None:
        """Somebody else owns the job."""
        self.is_lease_lost = True
        if self._lease_lost is not None:
            self._lease_lost.set()

    @property
    def lease(self) -> Lease:
        """What the store is to renew."""
        return Lease(self.job.id, self.job.life.attempt, round(self.lease_seconds * 1000))

    def limit(self, *, timeout: float | None) -> None:
        """Begin the try: it may take `timeout` seconds, and is pointless after the job's deadline."""
        if timeout is None and self.job.deadline is None:
            return
        now = anyio.current_time()
        if timeout is not None:
            self.try_ends = now + timeout
        if self.expires_at < self.try_ends:
            self.try_ends, self.try_ends_as = self.expires_at, "expired"
        self.scope.deadline = self.try_ends

    def renewed(self, asked_at: float) -> None:
        """The store extended the lease, some time after it was asked to."""
        self.lease_ends = asked_at + self.lease_seconds
        self.renew_at = asked_at + self.lease_seconds / RENEWALS_PER_LEASE

    def not_renewed(self, asked_at: float) -> None:
        """The store did not answer: ask again soon, the lease goes on running out."""
        self.renew_at = asked_at + self.lease_seconds / RENEWALS_PER_LEASE**2

    def settled(self) -> None:
        """The job is done: there is no lease any more to renew or to lose."""
        self.is_settled = True
        self.lease_ends = math.inf

    def stop_for(self, reason: StopReason, now: float) -> None:
        """Cancel the handler at once; the first reason stays."""
        if self.stop is None:
            self.stop, self.stopped_at = reason, now
        if reason == "lease lost":
            self.stop = reason
            self.lose_lease()
        self.scope.cancel()

    def reason_of_deadline(self, now: float) -> StopReason:
        """Why the handler was cancelled."""
        if self.stop is None:
            self.stop_for(self.try_ends_as, now)
        assert self.stop is not None
        return self.stop

    def is_stuck(self, now: float, grace_seconds: float) -> bool:
        """Whether the handler was told to stop and goes on: then its lease is no longer renewed."""
        told_at = min(self.stopped_at, self.try_ends)
        return now > told_at + grace_seconds
