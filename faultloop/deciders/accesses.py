"""How often each task touches each shared object, and in which orders they were seen to.

Rule 1: counts only grow; they are guesses at what a run has still to come.
Rule 2: a task that touches an object only when all others are done with it (it waits for them, say) has no say in the
order, and is left out once that has held for RUNS_TO_TRUST runs.
Rule 3: orders are kept only where there are few enough to run out of: elsewhere no run would repeat one.
Rule 4: bounded. Runs teach the first OBJECTS_MAX objects, and NODES_MAX beginnings of orders in all; merging unites
what is given, however much it is.
"""

from __future__ import annotations

from collections.abc import Callable
from math import lgamma

from faultloop.deciders.looking import Record

RUNS_TO_TRUST = 8
OBJECTS_MAX = 1_000
NODES_MAX = 50_000
LOG_ORDERS_MAX = 11.0
"""Natural logarithm of how many orders an object may have for them to be kept: about 60,000."""


class Order:
    """A beginning of an order: how many whole orders with this beginning were seen, and how they go on."""

    __slots__ = ("failed", "next", "seen")

    def __init__(self) -> None:
        self.seen = 0
        self.next: dict[int, Order] = {}
        self.failed: dict[int, int] = {}
        """Per task: how often it was to be the next one and could not."""

    def add(self, tasks: list[int]) -> int:
        """A whole order was seen. Returns how many beginnings of it are new."""
        node: Order = self
        path: list[Order] = [node]
        new = 0
        for task in tasks:
            following = node.next.get(task)
            if following is None:
                new += 1
                following = node.next[task] = Order()
            node = following
            path.append(node)
        if new:
            for node in path:
                node.seen += 1
        return new


class Contended:
    """An object that at least two tasks touched in one run."""

    __slots__ = ("_contending", "_is_few", "_runs", "counts", "late", "nodes", "order")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        """Per task: the most steps of one run that touch it."""
        self.late = set[int]()
        """The tasks that were never seen to touch it before all others were done with it."""
        self.order: Order | None = None
        """The orders seen of the steps that touch it, if there are few enough."""
        self.nodes = 0
        """How many beginnings of orders are kept."""
        self._runs = 0
        self._contending: dict[int, int] | None = None
        self._is_few = False

    def raise_to(self, counts: dict[int, int]) -> None:
        """Take these counts where they are larger."""
        most = self.counts
        for task, count in counts.items():
            if count > most.get(task, 0):
                most[task] = count
                self._contending = None

    def contending(self) -> dict[int, int]:
        """The counts of the tasks that have a say in the order."""
        if self._contending is None:
            is_trusted = self._runs >= RUNS_TO_TRUST
            late = self.late if is_trusted else ()
            self._contending = {task: count for task, count in self.counts.items() if task not in late}
            self._is_few = is_trusted and log_orders(self._contending) <= LOG_ORDERS_MAX
        return self._contending

    def study(self, tasks: list[int], *, keeps: bool) -> None:
        """Learn from the tasks that touched it in one run, in order. keeps: whether there is room for new orders."""
        counts: dict[int, int] = {}
        for task in tasks:
            counts[task] = counts.get(task, 0) + 1
        self.raise_to(counts)
        self._runs += 1
        self._note_late(tasks, counts)
        if self._runs == RUNS_TO_TRUST:
            self._contending = None
        self.contending()
        if not self._is_few:
            self.order, self.nodes = None, 0
        elif keeps:
            self.order = self.order or Order()
            self.nodes += self.order.add([task for task in tasks if task not in self.late])

    def _note_late(self, tasks: list[int], counts: dict[int, int]) -> None:
        last = tasks[-1]
        on_time = counts.keys() - {last} if tasks.index(last) == len(tasks) - counts[last] else counts.keys()
        if self._runs == 1:
            self.late = {last} - on_time
        elif not self.late.isdisjoint(on_time):
            self.late -= on_time
            self._contending = None


class Accesses:
    """Per object: counts and orders."""

    __slots__ = ("_nodes", "of")

    def __init__(self) -> None:
        self.of: dict[int, Contended] = {}
        self._nodes = 0

    def study(self, record: Record) -> None:
        """Learn from a run that is over."""
        seen: dict[int, list[int]] = {}
        for task, _, touched in record.touching():
            if len(touched) == 1:
                seen.setdefault(touched[0][0], []).append(task)
            else:
                for number in {number: None for number, _ in touched}:
                    seen.setdefault(number, []).append(task)
        for number, tasks in seen.items():
            known = self.of.get(number)
            if known is None and len(self.of) < OBJECTS_MAX and len(set(tasks)) > 1:
                known = self.of[number] = Contended()
            if known is not None:
                before = known.nodes
                known.study(tasks, keeps=self._nodes < NODES_MAX)
                self._nodes += known.nodes - before

    def save(self, object_name: Callable[[int], str]) -> dict[str, dict[str, int]]:
        """Plain data: the counts per object, by its lasting name, per task."""
        saved = {
            object_name(number): {str(task): count for task, count in sorted(known.counts.items())}
            for number, known in self.of.items()
        }
        return dict(sorted(saved.items()))

    def merge(self, saved: dict[str, dict[str, int]], object_number: Callable[[str], int]) -> None:
        """Take in what was saved, here or elsewhere."""
        for name, by_task in saved.items():
            known = self.of.setdefault(object_number(name), Contended())
            known.raise_to({int(task): count for task, count in by_task.items()})


def log_orders(counts: dict[int, int]) -> float:
    """The logarithm of how many orders there are of so many steps of each task."""
    return lgamma(1 + sum(counts.values())) - sum(lgamma(1 + count) for count in counts.values())
