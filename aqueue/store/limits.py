"""How much may run, and how fast: limits of tasks and of the queue, kept in the store, asked in its transactions.

Rule 1: what a limit counts is in the store, so it holds over all workers and processes. Its numbers come with the
        claim, from the code that is deployed; the last claimer's are the ones that are stored.
Rule 2: token buckets count in integers, so that every process comes to the same level from the same rows.
Rule 3: a limit delays a claim and never changes a job. What waits for it stays pending, and has its deadline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aqueue.errors import QueueFull
from aqueue.store.breakers import BreakerRule, awaited_ms, probes_allowed
from aqueue.store.rows import BreakerRow, JobRow, LimitRow, Narrowing
from aqueue.store.tables import Tables

__all__ = ["QUEUE", "RETRIES", "Bucket", "Gate", "Pause", "TaskRule", "assert_room", "level_of", "task_scope"]

QUEUE: Final = "queue"
RETRIES: Final = "retries"


def task_scope(task: str) -> str:
    """The name a task's limits are stored under."""
    return f"task:{task}"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket. gain: units per millisecond.   cost: units a job takes.   burst: jobs it holds at most.

    fresh_gain: units that each first try of a job adds; of the retry budget only.
    """

    gain: int
    cost: int
    burst: int
    fresh_gain: int = 0


@dataclass(frozen=True, slots=True)
class TaskRule:
    """What bounds one task."""

    max_running: int | None = None
    rate: Bucket | None = None
    breaker: BreakerRule | None = None

    def stored(self, scope: str, before: LimitRow | None, now: int) -> LimitRow:
        """The row that says so; a bucket whose numbers change keeps its level, a new one starts full."""
        row = before or LimitRow(scope)
        breaker = None if self.breaker is None else self.breaker.name
        row = replace(row, max_running=self.max_running, breaker=breaker)
        return _with_bucket(row, self.rate, now)


_UNBOUNDED: Final = TaskRule()


def _with_bucket(row: LimitRow, bucket: Bucket | None, now: int) -> LimitRow:
    if bucket is None:
        return replace(row, gain=None, cost=1, burst=0, level=0, level_at=0)
    if (row.gain, row.cost, row.burst) == (bucket.gain, bucket.cost, bucket.burst):
        return row
    full = bucket.burst * bucket.cost
    level = full if row.gain is None else min(full, level_of(row, now))
    return replace(row, gain=bucket.gain, cost=bucket.cost, burst=bucket.burst, level=level, level_at=now)


def level_of(row: LimitRow, now: int) -> int:
    """Units in the bucket now. A clock that went back adds nothing, and takes nothing away."""
    assert row.gain is not None, row
    return min(row.burst * row.cost, row.level + max(0, now - row.level_at) * row.gain)


class Gate:
    """What one claim may take, by every limit; it charges what it lets through. One per transaction."""

    def __init__(
        self,
        tables: Tables,
        now: int,
        *,
        rules: Mapping[str, TaskRule],
        budget: Bucket | None,
        isolate_after: int | None,
        only_known: bool = False,
    ) -> None:
        """Read the limits, and store what the claimer's code says of them."""
        self._tables = tables
        self._now = now
        self._rules = rules
        self._budget = budget
        self._before = tables.limits()
        self._rows = dict(self._before)
        self._breakers = tables.breakers() if any(rule.breaker for rule in rules.values()) else {}
        self._breakers_before = dict(self._breakers)
        self._running: dict[str, int] = {}
        self._waits: list[int] = []
        self._retries_fit = True
        self._is_budget_full = False
        self._known = frozenset(rules) if only_known else None
        self._closed: set[str] = set()
        self._isolate_after = isolate_after
        self._declare()
        self._bounded = {scope.removeprefix("task:") for scope in self._rows if scope.startswith("task:")}
        for scope, row in self._rows.items():
            if row.paused and scope.startswith("task:"):
                self._closed.add(scope.removeprefix("task:"))
        for task in self._bounded & rules.keys():
            self._close_if_full(task)
        self._close_retries_if_spent()

    @property
    def is_paused(self) -> bool:
        """Whether the whole queue is."""
        return QUEUE in self._rows and self._rows[QUEUE].paused

    @property
    def wait_ms(self) -> int | None:
        """Time until a limit that refused something may let something through; None if none will by itself."""
        return min(self._waits, default=None)

    def narrowing(self, *, isolated: bool) -> Narrowing:
        """What is worth asking the store for."""
        return Narrowing(
            isolate_after=self._isolate_after,
            isolated=None if self._isolate_after is None else isolated,
            fresh_only=not self._retries_fit,
            without=frozenset(self._closed),
            only=self._known,
        )

    def admit(self, job: JobRow) -> bool:
        """Charge every limit for this job, or refuse it; what is refused is not found under the next narrowing."""
        if job.task in self._closed or (job.life.failures and not self._retries_fit):
            return False
        self._charge(job.task, failures=job.life.failures, is_first=job.life.attempt == 0)
        return True

    def admits_any(self, room: int) -> bool:
        """Whether any `room` jobs that the narrowing lets through fit in, whichever they are."""
        if self._bounded or not self._retries_fit:
            return False
        budget = self._rows.get(RETRIES)
        return self._budget is None or budget is None or level_of(budget, self._now) >= room * budget.cost

    def charge_taken(self, jobs: Sequence[JobRow]) -> None:
        """Charge every limit for jobs that were taken because `admits_any` said so."""
        if self._budget is None or (self._is_budget_full and not any([job.life.failures for job in jobs])):  # noqa: C419 - faster
            return  # nothing is bounded then, and a full bucket takes no more
        for job in jobs:
            self._charge(job.task, failures=job.life.failures, is_first=job.life.attempt == 1)

    def write(self) -> None:
        """Store what has changed."""
        for scope, row in self._rows.items():
            if row != self._before.get(scope):
                self._tables.put_limit(row)
        for name, breaker in self._breakers.items():
            if breaker != self._breakers_before.get(name):
                self._tables.put_breaker(breaker)

    def _declare(self) -> None:
        for task, rule in self._rules.items():
            scope = task_scope(task)
            before = self._rows.get(scope)
            if before is not None or rule != _UNBOUNDED:
                self._rows[scope] = rule.stored(scope, before, self._now)
            if rule.breaker is not None:
                known = self._breakers.get(rule.breaker.name) or BreakerRow(rule.breaker.name)
                self._breakers[rule.breaker.name] = rule.breaker.aged(known, self._now)
        known_budget = self._rows.get(RETRIES)
        if self._budget is not None or known_budget is not None:
            self._rows[RETRIES] = _with_bucket(known_budget or LimitRow(RETRIES), self._budget, self._now)

    def _charge(self, task: str, *, failures: int, is_first: bool) -> None:
        if task in self._bounded:
            self._charge_task(task)
        if self._budget is not None and (failures or not self._is_budget_full):
            self._charge_budget(self._budget, is_retry=failures > 0, is_first=is_first)

    def _charge_task(self, task: str) -> None:
        scope = task_scope(task)
        row = self._rows.get(scope)
        if row is not None and row.gain is not None:
            self._rows[scope] = replace(row, level=level_of(row, self._now) - row.cost, level_at=self._now)
        if task in self._running:
            self._running[task] += 1
        for name in self._sharing(task):
            self._close_if_full(name)

    def _charge_budget(self, bucket: Bucket, *, is_retry: bool, is_first: bool) -> None:
        budget = self._rows[RETRIES]
        full = budget.burst * budget.cost
        level = level_of(budget, self._now)
        if is_retry:
            level -= budget.cost
        elif is_first:
            level = min(full, level + bucket.fresh_gain)
        # A bucket that is full and stays so is not written: a queue without retries pays nothing for its budget.
        if level != level_of(budget, self._now):
            self._rows[RETRIES] = replace(budget, level=level, level_at=self._now)
        self._close_retries_if_spent()

    def _sharing(self, task: str) -> list[str]:
        """The task, and those behind the same breaker."""
        rule = self._rules.get(task)
        if rule is None:
            return []
        if rule.breaker is None:
            return [task]
        return [
            name for name, other in self._rules.items() if other.breaker and other.breaker.name == rule.breaker.name
        ]

    def _close_if_full(self, task: str) -> None:
        rule = self._rules[task]
        if rule.max_running is not None and self._count_running(task) >= rule.max_running:
            self._closed.add(task)  # a settlement opens it, and wakes the workers
        row = self._rows.get(task_scope(task))
        if row is not None and row.gain is not None and level_of(row, self._now) < row.cost:
            self._closed.add(task)
            self._waits.append(_ms_until_affordable(row, self._now))
        if rule.breaker is None:
            return
        breaker = self._breakers[rule.breaker.name]
        running = sum(self._count_running(name) for name in self._sharing(task))
        if running >= probes_allowed(breaker, rule.breaker):
            self._closed.add(task)
            wait_ms = awaited_ms(breaker, rule.breaker, self._now)
            if wait_ms is not None:
                self._waits.append(wait_ms)

    def _close_retries_if_spent(self) -> None:
        budget = self._rows.get(RETRIES)
        if self._budget is None or budget is None:
            return
        level = level_of(budget, self._now)
        self._retries_fit = level >= budget.cost
        self._is_budget_full = level == budget.burst * budget.cost
        if not self._retries_fit and budget.gain:
            self._waits.append(_ms_until_affordable(budget, self._now))

    def _count_running(self, task: str) -> int:
        if task not in self._running:
            self._running[task] = self._tables.count_running(task)
        return self._running[task]


def _ms_until_affordable(row: LimitRow, now: int) -> int:
    assert row.gain, row
    return max(1, -(-(row.cost - level_of(row, now)) // row.gain))


def assert_room(tables: Tables, limits: Mapping[str, int], counts: Mapping[str, int]) -> None:
    """Raise QueueFull unless the new jobs fit in. limits, counts: by scope; the bound, and how many would be added."""
    tables.limits()  # as lasting as its answer: another producer counts after this one
    for scope, limit in limits.items():
        added = counts.get(scope, 0)
        if not added:
            continue
        task = None if scope == QUEUE else scope.removeprefix("task:")
        pending = tables.count_pending(task, limit + 1)
        if pending + added > limit:
            raise QueueFull(
                f"{pending} jobs are pending in {scope}, and {added} more were to come",
                expected=f"at most {limit} pending (max_pending)",
                advice="slow the producer down and try again later, or raise max_pending",
            )


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop claims of a scope, or let them go on. Running jobs are not touched. Returns whether that was a change."""

    scope: str
    paused: bool = True

    def apply(self, tables: Tables, now: int) -> bool:  # noqa: ARG002 - the seam's signature
        """Write it down."""
        row = tables.limits().get(self.scope) or LimitRow(self.scope)
        if row.paused == self.paused:
            return False
        tables.put_limit(replace(row, paused=self.paused))
        return True
