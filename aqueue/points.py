"""The named await points of a queue: where a fault can fall, by names that stay when the code moves.

Rule 1: a name is never reused. Scenarios, tests and q.testing().crash_at say these names.
Rule 2: a point at an operation of the store lies before its transaction (NAME.txn: it does not happen) or after it
        (NAME.reply: it has happened and nobody heard).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from aqueue.errors import BadOption
from aqueue.lifecycle import Bury
from aqueue.store.deadletter import Purge
from aqueue.store.ledger import BeginEffect, RecordEffect
from aqueue.store.operations import Cancel, Claim, Enqueue, Redrive, ReleaseClaim, Renew, Settle, Sweep
from aqueue.store.pruning import Prune
from aqueue.store.repair import Mend
from aqueue.store.schedules import Fire

__all__ = ["POINTS", "Point", "point_named"]


@dataclass(frozen=True, slots=True)
class Point:
    """operations: those it lies at; none for a wait, where nothing is written, or the handler's own awaits.

    steps: of settlements, only those that take one of these steps; all if empty.
    """

    what: str
    operations: tuple[type[object], ...] = ()
    side: Literal["before", "after"] = "before"
    steps: tuple[type[object], ...] = ()

    def lies_at(self, operation: object) -> bool:
        """Whether this operation passes it."""
        if not isinstance(operation, self.operations):
            return False
        return not self.steps or (isinstance(operation, Settle) and isinstance(operation.step, self.steps))


POINTS: Final[Mapping[str, Point]] = {
    "enqueue.insert": Point("before jobs are stored", (Enqueue,)),
    "enqueue.commit": Point("jobs are stored, their enqueuer has not heard", (Enqueue,), "after"),
    "claim.wait": Point("a worker waits for work: Worker._take_turn"),
    "claim.txn": Point("before jobs are claimed", (Claim,)),
    "claim.reply": Point("jobs are claimed, their worker has not heard", (Claim,), "after"),
    "slot.acquire": Point("a slot is taken and the job's task not started: Worker._hand_over"),
    "try.enter": Point("before the handler's first step"),
    "handler.*": Point("the handler's own awaits"),
    "effect.intent": Point("before the intent of an effect is written", (BeginEffect,)),
    "effect.call": Point("the intent is written, the effect not begun", (BeginEffect,), "after"),
    "effect.record": Point("the effect has happened and is not recorded", (RecordEffect,)),
    "hook.*": Point("the awaits of a middleware"),
    "hb.sleep": Point("between two renewals: Leases.keep_renewing"),
    "hb.txn": Point("before leases are renewed", (Renew,)),
    "settle.txn": Point("the handler has ended, the job is not settled", (Settle,)),
    "settle.reply": Point("the job is settled, its worker has not heard", (Settle,), "after"),
    "release.txn": Point("before a claim nobody heard of is given back", (ReleaseClaim,)),
    "wake.wait": Point("somebody waits for a result: Job.result"),
    "sweep.scan": Point("between two sweeps: sweeping.keep_sweeping"),
    "sweep.txn": Point("before jobs of dead workers are freed", (Sweep,)),
    "cron.tick": Point("between two looks at the schedules: ticking.keep_firing"),
    "cron.txn": Point("before due schedules are fired", (Fire,)),
    "cancel.txn": Point("before a job is cancelled", (Cancel,)),
    "redrive.txn": Point("before a dead job is sent round again", (Redrive,)),
    "purge.txn": Point("before a dead job is removed", (Purge,)),
    "prune.txn": Point("before a page of jobs that ended long ago is removed", (Prune,)),
    "repair.txn": Point("before one job is repaired", (Mend,)),
    "dlq.txn": Point("before a job is buried, other than by failing once too often", (Settle,), steps=(Bury,)),
    "drain.wait": Point("a worker waits for its last jobs: Worker._take_turn, draining"),
}


def point_named(name: str) -> Point:
    """The point of this name, if something is written there or a handler begins. Raises BadOption."""
    point = POINTS.get(name)
    if point is not None and (point.operations or name == "try.enter"):
        return point
    reachable = ", ".join(known for known, each in POINTS.items() if each.operations or known == "try.enter")
    raise BadOption(
        f"{name!r} is {'a wait, where a crash loses nothing written' if point else 'no await point of a queue'}",
        expected=f"one of: {reachable}",
        advice="choose one of them; for any other await there is faultloop",
    )
