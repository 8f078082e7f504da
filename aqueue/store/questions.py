"""What can be asked of stored jobs: operations that read and write nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aqueue.lifecycle import TERMINAL, State
from aqueue.store.rows import BreakerRow, Event, JobRow, LimitRow, TaskCount, Violation
from aqueue.store.tables import Tables

__all__ = ["Census", "Dead", "Depth", "Flow", "FlowReport", "Inspect", "Inspected", "Strangers", "Verify"]

L2: Final = "L2_ready_is_claimed"
STRANGERS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Inspected:
    """A job and its log, oldest event first. progress: what its handler said last of how far it is, as JSON."""

    job: JobRow
    events: tuple[Event, ...]
    progress: bytes | None = None


@dataclass(frozen=True, slots=True)
class Inspect:
    """Read one job."""

    job_id: int

    def apply(self, tables: Tables, now: int) -> Inspected | None:  # noqa: ARG002 - the seam's signature
        """Return the job and its log, or None."""
        row = tables.glance(self.job_id)
        if row is None:
            return None
        said = tables.progress(self.job_id)
        return Inspected(row, tuple(tables.events(self.job_id)), None if said is None else said.value)


@dataclass(frozen=True, slots=True)
class Dead:
    """Read the dead letter, longest dead first."""

    limit: int

    def apply(self, tables: Tables, now: int) -> tuple[JobRow, ...]:  # noqa: ARG002 - the seam's signature
        """Return up to `limit` dead jobs; reading changes nothing."""
        return tuple(tables.dead(self.limit))


@dataclass(frozen=True, slots=True)
class Census:
    """Count the jobs of each state."""

    def apply(self, tables: Tables, now: int) -> Mapping[State, int]:  # noqa: ARG002 - the seam's signature
        """Return the number of jobs in each of the five states."""
        counted = tables.count_states()
        states: tuple[State, ...] = ("pending", "running", *TERMINAL)
        return {state: counted.get(state, 0) for state in states}


@dataclass(frozen=True, slots=True)
class Depth:
    """Count the jobs of each task and state."""

    def apply(self, tables: Tables, now: int) -> tuple[TaskCount, ...]:
        """Return those that have any, by task, then by state."""
        return tuple(tables.count_tasks(now))


@dataclass(frozen=True, slots=True)
class Strangers:
    """Ask which tasks have pending jobs that nobody takes who knows only these."""

    known: frozenset[str]

    def apply(self, tables: Tables, now: int) -> tuple[str, ...]:  # noqa: ARG002 - the seam's signature
        """Return them in the order of their names, some of them if they are many."""
        limit = len(self.known) + STRANGERS_MAX
        return tuple(sorted(set(tables.pending_tasks(limit)) - self.known))


@dataclass(frozen=True, slots=True)
class FlowReport:
    """What holds jobs back: the limits as the last claim left them, and the circuit breakers."""

    limits: tuple[LimitRow, ...]
    breakers: tuple[BreakerRow, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """Read every limit and breaker."""

    def apply(self, tables: Tables, now: int) -> FlowReport:  # noqa: ARG002 - the seam's signature
        """Return them by scope and by name."""
        limits, breakers = tables.limits(), tables.breakers()
        return FlowReport(
            tuple(limits[scope] for scope in sorted(limits)), tuple(breakers[name] for name in sorted(breakers))
        )


@dataclass(frozen=True, slots=True)
class Verify:
    """Run every invariant over what is stored.

    known: tasks that the free slots are for: only their jobs count as not taken (L2). None: all.
    """

    grace_ms: int
    free_slots: int
    known: frozenset[str] | None = None

    def apply(self, tables: Tables, now: int) -> tuple[Violation, ...]:
        """Return what does not hold."""
        found = tables.violations(now=now, grace_ms=self.grace_ms, free_slots=self.free_slots)
        if self.known is None:
            return found
        narrowed = (self._without_strangers(tables, violation) for violation in found)
        return tuple(violation for violation in narrowed if violation.rows)

    def _without_strangers(self, tables: Tables, violation: Violation) -> Violation:
        assert self.known is not None
        if violation.invariant != L2:
            return violation
        rows = ((row, tables.glance(int(str(row[0])))) for row in violation.rows)
        return Violation(L2, tuple(row for row, job in rows if job is not None and job.task in self.known))
