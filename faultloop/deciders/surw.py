"""SURW: uniform over the interleavings of the steps that touch one shared object.

A run draws one object that several tasks touch, and which task is to touch it next, in proportion to how often each has
yet to. The others are held back where their next step is likely to touch it; everything else goes at random.
Guarantee: where counts and footprints are right, the orders of the steps on that object are equally likely, whatever
else the tasks do.
Source: H. Zhao, D. Wolff, U. Mathur, A. Roychoudhury, «Selectively Uniform Concurrency Testing», ASPLOS 2025; the paper
chooses a subset of the steps, here it is one object's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from faultloop.deciders.footprints import Footprints
from faultloop.deciders.looking import LookingDecider, Record, Touch, Watched, study


class Accesses:
    """How often each task touches each object that is shared: the most seen in one run."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: dict[int, dict[int, int]] = {}
        """Per object that at least two tasks touched in one run: task → steps that touch it."""

    def study(self, record: Record) -> None:
        """Learn from a run that is over."""
        seen: dict[int, dict[int, int]] = {}
        for task, _, touched in record.steps:
            for number in dict.fromkeys(number for number, _ in touched):
                by_task = seen.setdefault(number, {})
                by_task[task] = by_task.get(task, 0) + 1
        for number, by_task in seen.items():
            if len(by_task) > 1:
                most = self.counts.setdefault(number, {})
                for task, count in by_task.items():
                    most[task] = max(most.get(task, 0), count)

    def save(self) -> dict[str, dict[str, int]]:
        """Plain data: per object, per task."""
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


class OneObject:
    """Answers so that the intended task is the next to touch the object."""

    __slots__ = ("_draw", "_intended", "_left", "_number", "_touching", "_total")

    def __init__(self, random: Random, number: int, counts: dict[int, int], touching: int) -> None:
        self._draw: Callable[[], float] = random.random
        self._number = number
        self._left = dict(sorted(counts.items()))
        self._total = sum(counts.values())
        self._touching = touching
        self._intended = 0

    def made(self, task: int, /) -> None:
        """Of no interest."""

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """The intended task, or any that will not touch the object."""
        if not self._intended:
            self._intend()
        intended, touching = self._intended, self._touching
        free = [
            index
            for index, (task, site) in enumerate(zip(tasks, sites, strict=True))
            if task == intended or not touching >> site & 1
        ]
        if free:
            return free[int(self._draw() * len(free))]
        return int(self._draw() * len(tasks))

    def _intend(self) -> None:
        draw = int(self._draw() * self._total)
        for task, count in self._left.items():
            draw -= count
            if draw < 0:
                self._intended = task
                return

    def ran(self, task: int, site: int, touched: Sequence[Touch], /) -> None:
        """Count its touch; the next one is drawn anew when this was the intended one."""
        for number, _ in touched:
            if number == self._number:
                count = self._left.get(task, 0)
                if count > 0:
                    self._left[task] = count - 1
                    self._total -= 1
                if task == self._intended or not self._left.get(self._intended):
                    self._intended = 0
                return


class Surw:
    """Selectively uniform: one shared object a run."""

    name = "surw"
    needs_footprints = True
    is_exhausted = False

    def __init__(
        self, random: Random, *, footprints: Footprints | None = None, accesses: Accesses | None = None
    ) -> None:
        self._random = random
        self.footprints = footprints or Footprints()
        self.accesses = accesses or Accesses()

    def decider(self) -> LookingDecider:
        """Answers the next run."""
        counts = self.accesses.counts
        if not counts:
            return Watched(OneObject(self._random, 0, {}, 0))
        number = self._random.choice(sorted(counts))
        return Watched(OneObject(self._random, number, counts[number], self.footprints.touching.get(number, 0)))

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """Learn what steps touch, and how often."""
        study(decider, self.footprints, self.accesses)
