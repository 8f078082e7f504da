"""What the log of a job says the job's row must be: the log folded, event by event.

Rule 1: pure. Events in, in the order of the log; a standing or a contradiction out.
Rule 2: the log is the witness. Where it contradicts itself there is no other, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aqueue.lifecycle import EventKind, State
from aqueue.store.rows import Event

__all__ = ["Contradiction", "Standing", "fold"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands by its log. failures: since the last redrive, without one that ended the job.

    since: the time of the last event.   worker: who claimed last.   ended_from: the state that the last event left.
    """

    state: State
    attempt: int
    failures: int
    redrives: int
    crashes: int
    since: int
    worker: str | None
    ended_from: State | None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The log cannot have been written by the table of transitions. why: the first place where that shows."""

    why: str


_BEGUN: Final = Standing("pending", 0, 0, 0, 0, 0, None, None)
_LEADS_TO: Final[Mapping[tuple[State, EventKind], State]] = {
    ("pending", "claimed"): "running",
    ("pending", "cancelled"): "cancelled",
    ("running", "succeeded"): "succeeded",
    ("running", "failed"): "pending",
    ("running", "released"): "pending",
    ("running", "rescued"): "pending",
    ("running", "buried"): "dead",
    ("running", "cancelled"): "cancelled",
    ("dead", "redriven"): "pending",
}


def fold(log: Sequence[Event]) -> Standing | Contradiction:
    """Fold the log of one job, oldest event first."""
    if not log or log[0].kind != "enqueued":
        return Contradiction("it does not begin with «enqueued»" if log else "it is empty")
    at = replace(_BEGUN, since=log[0].at)
    for event in log[1:]:
        after = _LEADS_TO.get((at.state, event.kind))
        if after is None:
            return Contradiction(f"«{event.kind}» follows, where the job was {at.state}")
        attempt = at.attempt + 1 if event.kind == "claimed" else at.attempt
        if event.attempt != attempt:
            return Contradiction(f"«{event.kind}» is of attempt {event.attempt}, where attempt {attempt} was due")
        at = _counted(replace(at, state=after, attempt=attempt, since=event.at, ended_from=at.state), event)
    return at


def _counted(at: Standing, event: Event) -> Standing:
    match event.kind:
        case "claimed":
            return replace(at, worker=event.worker)
        case "failed":
            return replace(at, failures=at.failures + 1, crashes=0)
        case "rescued":
            return replace(at, failures=at.failures + 1, crashes=at.crashes + 1)
        case "released":
            return replace(at, crashes=0)
        case "redriven":
            return replace(at, failures=0, redrives=at.redrives + 1, crashes=0)
        case _:
            return at
