"""The life of a job, as one table.

Rule 1: pure. No clock, no I/O, no store: a life and a step in, the next life and its event out.
Rule 2: a (state, step) pair that TABLE does not list is refused; a step that settles is refused unless its
        attempt is the life's own. `attempt` counts claims, is the fencing token, and never goes back.
Rule 3: failures, attempt and redrives are bounded by their maxima, so every life ends.

All times are wall-clock milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

__all__ = [
    "PARKED",
    "TABLE",
    "TERMINAL",
    "Advanced",
    "Bury",
    "Claim",
    "ConfirmCancel",
    "EventKind",
    "Fail",
    "Life",
    "Park",
    "Redrive",
    "Refused",
    "Release",
    "Renew",
    "RequestCancel",
    "Rescue",
    "State",
    "Step",
    "Succeed",
    "Unpark",
    "advance",
    "claimed",
]

State: TypeAlias = Literal["pending", "running", "succeeded", "dead", "cancelled"]
EventKind: TypeAlias = Literal[
    "enqueued", "claimed", "succeeded", "failed", "released", "rescued", "buried", "cancelled", "redriven"
]
PARKED = "parked: "
"""What the dead_reason of a parked job begins with; the reason it died of follows."""
TERMINAL: tuple[State, ...] = ("succeeded", "dead", "cancelled")


class Life(Struct, frozen=True, gc=False):
    """What the table knows of a job. Invariants: those of the schema's CHECKs, asserted by the tests."""

    run_at: int
    max_attempts: int
    max_claims: int
    max_redrives: int
    state: State = "pending"
    attempt: int = 0
    failures: int = 0
    redrives: int = 0
    worker: str | None = None
    claim_nonce: str | None = None
    lease_until: int | None = None
    cancel_at: int | None = None
    finished_at: int | None = None
    dead_reason: str | None = None
    crashes: int = 0  # leases lost in a row: what a job that kills its process looks like


class Claim(Struct, frozen=True, gc=False):
    """T1: a worker takes the job. nonce: names the one request that took it."""

    worker: str
    nonce: str
    lease_until: int


class Renew(Struct, frozen=True, gc=False):
    """T2: the owner keeps the job."""

    attempt: int
    lease_until: int


class Succeed(Struct, frozen=True, gc=False):
    """T3: the handler returned."""

    attempt: int


class Fail(Struct, frozen=True, gc=False):
    """T4: the try failed and counts; the job is pending again at run_at, or dead if that was the last one."""

    attempt: int
    run_at: int


class Bury(Struct, frozen=True, gc=False):
    """T5: no further try can help."""

    attempt: int
    reason: str


class Release(Struct, frozen=True, gc=False):
    """T6: the owner gives the job back; no failure is counted."""

    attempt: int
    run_at: int


class Rescue(Struct, frozen=True, gc=False):
    """T7: the lease ran out. Needs no owner: the guard is the lease itself."""


class RequestCancel(Struct, frozen=True, gc=False):
    """T8: somebody wants the job not to run (pending), or to stop (running)."""


class ConfirmCancel(Struct, frozen=True, gc=False):
    """T9: the owner stopped because of a request to cancel."""

    attempt: int


class Redrive(Struct, frozen=True, gc=False):
    """T10: a dead job is sent round again. attempt: the one it died at, so that a repeated redrive is recognised."""

    attempt: int


class Park(Struct, frozen=True, gc=False):
    """A dead job is put aside: no redrive takes it until it is taken back."""

    attempt: int


class Unpark(Struct, frozen=True, gc=False):
    """A parked job is taken back into the dead letter proper."""

    attempt: int


Step: TypeAlias = (
    Claim | Renew | Succeed | Fail | Bury | Release | Rescue | RequestCancel | ConfirmCancel | Redrive | Park | Unpark
)

# (state, step) -> where it may lead, and the event that is written on the way there (None: no change of state).
TABLE: Mapping[tuple[State, type[Step]], Mapping[State, EventKind | None]] = {
    ("pending", Claim): {"running": "claimed"},
    ("running", Renew): {"running": None},
    ("running", Succeed): {"succeeded": "succeeded"},
    ("running", Fail): {"pending": "failed", "dead": "buried", "cancelled": "cancelled"},
    ("running", Bury): {"dead": "buried"},
    ("running", Release): {"pending": "released", "dead": "buried", "cancelled": "cancelled"},
    ("running", Rescue): {"pending": "rescued", "dead": "buried", "cancelled": "cancelled"},
    ("pending", RequestCancel): {"cancelled": "cancelled"},
    ("running", RequestCancel): {"running": None},
    ("running", ConfirmCancel): {"cancelled": "cancelled"},
    ("dead", Redrive): {"pending": "redriven"},
    ("dead", Park): {"dead": None},
    ("dead", Unpark): {"dead": None},
}


class Advanced(Struct, frozen=True, gc=False):
    """The step was taken."""

    life: Life
    event: EventKind | None


class Refused(Struct, frozen=True, gc=False):
    """The step was not taken and nothing changed."""

    why: str


def advance(life: Life, step: Step, now: int) -> Advanced | Refused:
    """Take one step of the table, or say why it cannot be taken."""
    targets = TABLE.get((life.state, type(step)))
    if targets is None:
        return Refused(f"the job is {life.state}")
    token = getattr(step, "attempt", life.attempt)
    if token != life.attempt:
        return Refused(f"attempt {token} is over, the job is at attempt {life.attempt}")
    after = _next_life(life, step, now)
    if isinstance(after, Refused):
        return after
    assert after.state in targets, (life, step, after)
    return Advanced(after, targets[after.state])


def _next_life(life: Life, step: Step, now: int) -> Life | Refused:
    match step:
        case Claim():
            return _claimed(life, step, now)
        case Renew():
            assert step.lease_until > now, (step, now)
            return replace(life, lease_until=step.lease_until)
        case Succeed():
            return _ended(life, "succeeded", now)
        case Bury():
            return _ended(life, "dead", now, reason=step.reason)
        case Fail():
            return _failed(life, step.run_at, now)
        case Release():
            return _back(life, step.run_at, now)
        case Rescue():
            assert life.lease_until is not None, life
            if life.lease_until >= now:
                return Refused(f"the lease lasts until {life.lease_until}, now is {now}")
            return _failed(life, now, now, crashes=life.crashes + 1)
        case RequestCancel():
            if life.state == "pending":
                return _ended(life, "cancelled", now)
            return replace(life, cancel_at=now) if life.cancel_at is None else life
        case ConfirmCancel():
            if life.cancel_at is None:
                return Refused("nobody asked to cancel the job")
            return _ended(life, "cancelled", now)
        case Redrive():
            return _redriven(life, now)
        case Park():
            reason = (life.dead_reason or "").removeprefix(PARKED)
            return replace(life, dead_reason=PARKED + reason)
        case Unpark():
            return replace(life, dead_reason=(life.dead_reason or "").removeprefix(PARKED))
        case _:
            assert_never(step)


def _claimed(life: Life, step: Claim, now: int) -> Life | Refused:
    if life.run_at > now:
        return Refused(f"the job is due at {life.run_at}, now is {now}")
    if life.attempt >= life.max_claims:
        return Refused(f"the job was claimed {life.attempt} times, the most it may be")
    return claimed(life, step)


def claimed(life: Life, step: Claim) -> Life:
    """The life of a job that may be claimed, once it is."""
    return replace(
        life,
        state="running",
        attempt=life.attempt + 1,
        worker=step.worker,
        claim_nonce=step.nonce,
        lease_until=step.lease_until,
    )


def _failed(life: Life, run_at: int, now: int, *, crashes: int = 0) -> Life:
    counted = replace(life, failures=life.failures + 1)
    if life.cancel_at is None and counted.failures >= life.max_attempts:
        return _ended(counted, "dead", now, reason="exhausted")
    return _back(counted, run_at, now, crashes=crashes)


def _back(life: Life, run_at: int, now: int, *, crashes: int = 0) -> Life:
    # A job that goes back while a cancel waits for it is cancelled: otherwise the request would be forgotten.
    if life.cancel_at is not None:
        return _ended(life, "cancelled", now)
    if life.attempt >= life.max_claims:
        return _ended(life, "dead", now, reason="poison")
    return replace(
        life, state="pending", run_at=run_at, worker=None, claim_nonce=None, lease_until=None, crashes=crashes
    )


def _ended(life: Life, state: State, now: int, *, reason: str | None = None) -> Life:
    return replace(
        life, state=state, finished_at=now, dead_reason=reason, worker=None, claim_nonce=None, lease_until=None
    )


def _redriven(life: Life, now: int) -> Life | Refused:
    if (life.dead_reason or "").startswith(PARKED):
        return Refused("the job is parked")
    if life.redrives >= life.max_redrives:
        return Refused(f"the job was redriven {life.redrives} times, the most it may be")
    if life.attempt >= life.max_claims:
        return Refused(f"the job was claimed {life.attempt} times, the most it may be")
    return replace(
        life,
        state="pending",
        failures=0,
        redrives=life.redrives + 1,
        run_at=now,
        cancel_at=None,
        finished_at=None,
        dead_reason=None,
        crashes=0,
    )
