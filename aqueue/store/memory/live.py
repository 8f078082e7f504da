"""Live jobs in memory, found by what a claim asks for, whatever waits beside it.

Rule 1: heaps are hints, and rows are the truth. An entry that is not its row's any more is dropped when it comes to the
        top, so a row that is written needs a new entry and no search for the old one.
Rule 2: a job is among those that are due only while its order key is free. Whatever changes a live job of a key
        enters the first of that key again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final, TypeAlias

from aqueue.lifecycle import TERMINAL
from aqueue.store.rows import JobRow, Narrowing

__all__ = ["LiveJobs", "fits", "urgency"]

Group: TypeAlias = tuple[str, bool, bool]  # the task, whether it failed before, whether it lost a lease
Urgency: TypeAlias = tuple[int, int, int]

# Entries of heaps per live job, beyond which they are made anew: what is stale would never come to the top of some.
_ENTRIES_PER_JOB: Final = 8
_ENTRIES_MIN: Final = 64


def urgency(row: JobRow) -> Urgency:
    """What ready jobs are sorted by: highest priority first, then oldest due first."""
    return (-row.priority, row.life.run_at, row.id)


def fits(row: JobRow, narrowing: Narrowing, now: int) -> bool:
    """Whether a due job is one that the claim can use."""
    if narrowing.overdue and (row.deadline is None or row.deadline > now):
        return False
    if narrowing.isolated is not None and narrowing.isolate_after is not None:
        is_suspect = row.life.crashes >= narrowing.isolate_after and row.life.crashes > 0
        if is_suspect != narrowing.isolated:
            return False
    if narrowing.only is not None and row.task not in narrowing.only:
        return False
    return row.task not in narrowing.without and not (narrowing.fresh_only and row.life.failures)


class LiveJobs:
    """Pending and running jobs."""

    def __init__(self) -> None:
        """Start with none."""
        self._rows: dict[int, JobRow] = {}
        self._running: dict[int, JobRow] = {}
        self._pending_of: Counter[str] = Counter()
        self._twins: dict[tuple[str, str], int] = {}
        self._ids_of: dict[str, list[int]] = {}  # by order key: a heap of its live jobs
        self._busy: Counter[str] = Counter()  # running jobs by order key
        self._overdue: dict[int, None] = {}
        self._empty_heaps()

    def _empty_heaps(self) -> None:
        self._now = 0  # the time up to which jobs have been entered among those that are due
        self._entries = 0
        self._later: list[tuple[int, int]] = []  # (run_at, id) of pending jobs, at least of those that are not due
        self._deadlines: list[tuple[int, int]] = []  # (deadline, id) of pending jobs, likewise
        self._due: dict[Group, list[Urgency]] = {}

    # Writing.

    def put(self, row: JobRow) -> None:
        """Know the row in place of the one of its id; not at all if it has ended."""
        if row.life.state in TERMINAL:
            self.discard(row.id)
            return
        before = self._rows.get(row.id)
        if before is not None:
            self._forget(before)
        elif row.order_key is not None:
            heappush(self._ids_of.setdefault(row.order_key, []), row.id)
        self._rows[row.id] = row
        if row.unique_key is not None:
            self._twins[row.task, row.unique_key] = row.id
        if row.life.state == "running":
            self._running[row.id] = row
            if row.order_key is not None:
                self._busy[row.order_key] += 1
            return
        self._pending_of[row.task] += 1
        self._enter(row)
        self._enter_first_of(row.order_key)
        if self._entries > _ENTRIES_MIN + _ENTRIES_PER_JOB * len(self._rows):
            self._enter_all()

    def discard(self, job_id: int) -> None:
        """Forget the row, if it is known."""
        row = self._rows.get(job_id)
        if row is not None:
            self._forget(row)
            del self._rows[job_id]
            self._enter_first_of(row.order_key)

    def _forget(self, row: JobRow) -> None:
        self._overdue.pop(row.id, None)
        if row.unique_key is not None and self._twins.get((row.task, row.unique_key)) == row.id:
            del self._twins[row.task, row.unique_key]
        if self._running.pop(row.id, None) is None:
            _count_down(self._pending_of, row.task)
        elif row.order_key is not None:
            _count_down(self._busy, row.order_key)

    def _enter(self, row: JobRow) -> None:
        self._entries += 1
        heappush(self._later, (row.life.run_at, row.id))
        if row.deadline is not None:
            heappush(self._deadlines, (row.deadline, row.id))

    def _enter_first_of(self, key: str | None) -> None:
        """Rule 2."""
        if key is not None:
            first = self._first_of(key)
            if first is not None and self._is_free(self._rows[first]):
                self._enter(self._rows[first])

    def _enter_all(self) -> None:
        self._empty_heaps()
        for row in self._rows.values():
            if row.life.state == "pending":
                self._enter(row)

    def _first_of(self, key: str) -> int | None:
        ids = self._ids_of.get(key)
        while ids:
            row = self._rows.get(ids[0])
            if row is not None and row.order_key == key:  # an id that was undone is given again
                return ids[0]
            heappop(ids)
        self._ids_of.pop(key, None)
        return None

    def _is_free(self, row: JobRow) -> bool:
        """Whether its order key is: no job of it runs, and no older one is pending."""
        key = row.order_key
        return key is None or (key not in self._busy and self._first_of(key) == row.id)

    # Looking for ready jobs.

    def ready(self, now: int, limit: int, narrowing: Narrowing) -> list[JobRow]:
        """Due pending jobs whose key is free, highest priority first, then oldest due first."""
        self._advance(now)
        if narrowing.overdue:
            late = (self._rows[job_id] for job_id in self._overdue)
            found = [r for r in late if r.life.run_at <= now and fits(r, narrowing, now) and self._is_free(r)]
            return sorted(found, key=urgency)[:limit]
        tops: list[tuple[Urgency, Group]] = []
        for group in [group for group in self._due if _may_fit(group, narrowing)]:
            self._show_top(group, tops)
        found, passed = list[JobRow](), dict[Urgency, Group]()
        while tops and len(found) < limit:
            entry, group = heappop(tops)
            heappop(self._due[group])
            if entry not in passed:  # a job may have been entered twice
                passed[entry] = group
                row = self._rows[entry[2]]
                if fits(row, narrowing, now):
                    found.append(row)
            self._show_top(group, tops)
        for entry, group in passed.items():
            heappush(self._due.setdefault(group, []), entry)
        return found

    def _show_top(self, group: Group, tops: list[tuple[Urgency, Group]]) -> None:
        """Add the first entry of the group that is true, after dropping those that are not (rule 1)."""
        heap = self._due[group]
        while heap:
            row = self._rows.get(heap[0][2])
            if row is not None and _is_entry_of(row, heap[0], group) and self._is_free(row):
                heappush(tops, (heap[0], group))
                return
            heappop(heap)
        del self._due[group]

    def _advance(self, now: int) -> None:
        """Enter what has become due among those that are."""
        if now < self._now:  # the clock went back
            self._enter_all()
        self._now = now
        while self._later and self._later[0][0] <= now:
            run_at, job_id = heappop(self._later)
            row = self._rows.get(job_id)
            if row is not None and _is_pending_at(row, run_at) and self._is_free(row):
                heappush(self._due.setdefault(_group_of(row), []), urgency(row))
        while self._deadlines and self._deadlines[0][0] <= now:
            _, job_id = heappop(self._deadlines)
            row = self._rows.get(job_id)
            if row is not None and row.life.state == "pending":
                self._overdue[job_id] = None

    def next_run_at(self, now: int) -> int | None:
        """When the next job that is not due yet will be."""
        self._advance(now)
        while self._later:
            run_at, job_id = self._later[0]
            row = self._rows.get(job_id)
            if row is not None and _is_pending_at(row, run_at):
                return run_at
            heappop(self._later)
        return None

    # Looking for others.

    def running(self) -> Iterator[JobRow]:
        """Those that run."""
        return iter(self._running.values())

    def twin(self, task: str, unique_key: str) -> int | None:
        """The one of this task and key."""
        return self._twins.get((task, unique_key))

    def pending_tasks(self) -> list[str]:
        """Tasks that have a pending job, by their names."""
        return sorted(self._pending_of)

    def count_pending(self, task: str | None) -> int:
        """How many jobs are pending, of one task or of all."""
        return self._pending_of.total() if task is None else self._pending_of[task]


def _count_down(counter: Counter[str], name: str) -> None:
    counter[name] -= 1
    if not counter[name]:
        del counter[name]


def _group_of(row: JobRow) -> Group:
    return (row.task, row.life.failures > 0, row.life.crashes > 0)


def _may_fit(group: Group, narrowing: Narrowing) -> bool:
    task, has_failed, has_crashed = group
    if has_failed and narrowing.fresh_only:
        return False
    if narrowing.isolated and narrowing.isolate_after is not None and not has_crashed:
        return False
    return task not in narrowing.without and (narrowing.only is None or task in narrowing.only)


def _is_pending_at(row: JobRow, run_at: int) -> bool:
    return row.life.state == "pending" and row.life.run_at == run_at


def _is_entry_of(row: JobRow, entry: Urgency, group: Group) -> bool:
    return row.life.state == "pending" and entry == urgency(row) and group == _group_of(row)
