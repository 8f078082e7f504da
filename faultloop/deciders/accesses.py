"""How often each task touches each shared object, and in which orders they were seen to.

Rule 1: counts only grow; they are guesses at what a run has still to come.
Rule 2: a task that touches an object only when all others are done with it (it waits for them, say) has no say in the
order, and is left out once that has held for ORDERS_TO_TRUST runs.
Rule 3: orders are kept only where there are few enough to run out of: elsewhere no run would repeat one.
"""

from __future__ import annotations

from math import lgamma

from faultloop.deciders.looking import Record

ORDERS_TO_TRUST = 8

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

    def add(self, tasks: list[int]) -> None:
        """A whole order was seen."""
        node: Order = self
        path: list[Order] = [node]
        is_new = False
        for task in tasks:
            following = node.next.get(task)
            if following is None:
                is_new = True
                following = node.next[task] = Order()
            node = following
            path.append(node)
        if is_new:
            for node in path:
                node.seen += 1


class Accesses:
    """Per object that at least two tasks touched in one run: counts and orders."""

    __slots__ = ("_runs", "counts", "late", "orders")

    def __init__(self) -> None:
        self.counts: dict[int, dict[int, int]] = {}
        """Per object, per task: the most steps of one run that touch it."""
        self.orders: dict[int, Order] = {}
        """Per object: the orders seen of the steps that touch it, if there are few enough."""
        self.late: dict[int, set[int]] = {}
        """Per object: the tasks that were never seen to touch it before all others were done with it."""
        self._runs: dict[int, int] = {}

    def study(self, record: Record) -> None:
        """Learn from a run that is over."""
        seen: dict[int, list[int]] = {}
        for task, _, touched in record.steps:
            for number in dict.fromkeys(number for number, _ in touched):
                seen.setdefault(number, []).append(task)
        for number, tasks in seen.items():
            if number in self.counts or len(set(tasks)) > 1:
                self._add(number, tasks)

    def _add(self, number: int, tasks: list[int]) -> None:
        most = self.counts.setdefault(number, {})
        for task in dict.fromkeys(tasks):
            most[task] = max(most.get(task, 0), tasks.count(task))
        last = tasks[-1]
        is_apart = last not in tasks[: -tasks.count(last)]
        runs = self._runs[number] = self._runs.get(number, 0) + 1
        late = self.late.setdefault(number, {last})
        late -= set(tasks) - ({last} if is_apart else set())
        if runs < ORDERS_TO_TRUST:
            return
        if log_orders(self.contending(number)) <= LOG_ORDERS_MAX:
            self.orders.setdefault(number, Order()).add([task for task in tasks if task not in late])
        else:
            self.orders.pop(number, None)

    def contending(self, number: int) -> dict[int, int]:
        """The counts of the tasks that have a say in the order."""
        late = self.late.get(number, ()) if self._runs.get(number, 0) >= ORDERS_TO_TRUST else ()
        return {task: count for task, count in self.counts[number].items() if task not in late}

    def save(self) -> dict[str, dict[str, int]]:
        """Plain data: the counts per object, per task."""
        return {
            str(number): {str(task): count for task, count in sorted(by_task.items())}
            for number, by_task in sorted(self.counts.items())
        }

    def merge(self, saved: dict[str, dict[str, int]]) -> None:
        """Take in what was saved, here or elsewhere."""
        for number, by_task in saved.items():
            most = self.counts.setdefault(int(number), {})
            for task, count in by_task.items():
                most[int(task)] = max(most.get(int(task), 0), count)


def log_orders(counts: dict[int, int]) -> float:
    """The logarithm of how many orders there are of so many steps of each task."""
    return lgamma(1 + sum(counts.values())) - sum(lgamma(1 + count) for count in counts.values())
