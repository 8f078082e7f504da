"""What a batch of operations is going to look at: read and locked at once, in one order, before the first of them runs.

Rule 1: a hint. Whatever is not foreseen is read when it is asked for, in a round trip of its own.
Rule 2: locks are waited for here, and in one order (keys, then jobs, then limits), so that batches do not wait for
        each other in a circle. Later locks are tried, not waited for, where waiting could close one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from aqueue.lifecycle import Fail, Succeed
from aqueue.store.enqueueing import Enqueue
from aqueue.store.ledger import BeginEffect, RecordEffect
from aqueue.store.limits import Pause, TaskRule
from aqueue.store.operations import Cancel, Claim, Operation, Redrive, ReleaseClaim, Renew, Settle
from aqueue.store.progress import Report
from aqueue.store.rows import NewJob

__all__ = ["Footprint", "footprint_of"]


@dataclass(eq=False, slots=True)
class Footprint:
    """jobs: locked.   succeeding: whose effects are counted.   keys: order keys that get new jobs.

    news: jobs to be made, unless they are there.   nonces: of claims.   claims: whether ready jobs are looked for.
    limits_locked: whether what is counted must stay as it is.   reads_only: whether nothing is locked, or written.
    """

    jobs: set[int] = field(default_factory=set[int])
    succeeding: set[int] = field(default_factory=set[int])
    keys: set[str] = field(default_factory=set[str])
    news: list[NewJob] = field(default_factory=list[NewJob])
    nonces: set[str] = field(default_factory=set[str])
    effects: set[str] = field(default_factory=set[str])
    claims: bool = False
    limits_locked: bool = False
    reads_only: bool = False

    def expect(self, news: Iterable[NewJob]) -> None:
        """New jobs are coming."""
        for new in news:
            self.news.append(new)
            if new.order_key is not None:
                self.keys.add(new.order_key)


def footprint_of(operations: Iterable[Operation[object]], *, is_retry: bool, reads_only: bool = False) -> Footprint:
    """Foresee what can be foreseen. is_retry: somebody got in between, so lock what else is only compared."""
    found = Footprint(limits_locked=is_retry and not reads_only, reads_only=reads_only)
    for operation in operations:
        _add(found, operation)
    return found


def _add(found: Footprint, operation: Operation[object]) -> None:
    match operation:
        case Enqueue(jobs, max_pending):
            found.expect(jobs)
            found.limits_locked |= bool(max_pending)
        case Claim(nonce=nonce, rules=rules):
            found.claims = True
            found.nonces.add(nonce)
            found.limits_locked |= any(rule != TaskRule() for rule in rules.values())
        case ReleaseClaim(nonce):
            found.nonces.add(nonce)
        case Settle(job_id=job_id, step=step, follow_ups=follow_ups, breaker=breaker):
            found.jobs.add(job_id)
            found.expect(follow_ups)
            if isinstance(step, Succeed):
                found.succeeding.add(job_id)
            found.limits_locked |= breaker is not None and isinstance(step, Fail)
        case Renew(leases):
            found.jobs.update(lease.job_id for lease in leases)
        case Cancel(job_id) | Redrive(job_id) | Report(job_id):
            found.jobs.add(job_id)
        case BeginEffect(job_id=job_id, key=key):
            found.jobs.add(job_id)
            found.effects.add(key)
        case RecordEffect(key=key):
            found.effects.add(key)
        case Pause():
            found.limits_locked = True
        case _:
            pass
