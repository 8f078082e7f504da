"""URW: uniform over interleavings, by how many steps each task has left.

A ready task goes next with a probability proportional to the steps that it, and the tasks it is yet to make, have left;
the counts come from the runs before. A random walk wears all tasks down evenly and almost never lets one go far ahead;
this does.
Guarantee: where the counts are right and nothing waits for anything, every interleaving is equally likely.
Source: H. Zhao, D. Wolff, U. Mathur, A. Roychoudhury, «Selectively Uniform Concurrency Testing», ASPLOS 2025.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from faultloop.deciders.lengths import Lengths
from faultloop.deciders.looking import LookingDecider, Touch, study, watched


class Remaining:
    """Answers in proportion to what is left."""

    __slots__ = ("_draw", "_left", "_made", "_newborn")

    def __init__(self, random: Random, lengths: Lengths) -> None:
        self._draw: Callable[[], float] = random.random
        self._left = lengths.families.copy()
        self._made = 0
        self._newborn: list[int] = []

    def made(self, task: int, /) -> None:
        """Its steps are no longer its parent's."""
        self._made = task
        if task == len(self._left):
            self._left.append(1)
        self._newborn.append(task)

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """One of them, in proportion to what each has left, at least 1."""
        left = self._left
        total = 0
        for task in tasks:
            count = left[task]
            total += count if count > 1 else 1
        draw = int(self._draw() * total)
        for index, task in enumerate(tasks):
            count = left[task]
            draw -= count if count > 1 else 1
            if draw < 0:
                return index
        raise AssertionError(draw)

    def ran(self, task: int, site: int, touched: Sequence[Touch], /) -> None:
        """One less is left."""
        left = self._left
        left[task] -= 1
        if self._newborn:
            for child in self._newborn:
                if child != task:
                    left[task] -= left[child]
            self._newborn.clear()


class Urw:
    """Uniform over interleavings."""

    name = "urw"
    needs_footprints = False
    is_exhausted = False

    def __init__(self, random: Random, *, lengths: Lengths | None = None) -> None:
        self._random = random
        self.lengths = lengths or Lengths()

    def decider(self) -> LookingDecider:
        """Answers the next run."""
        return watched(Remaining(self._random, self.lengths))

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """Learn how many steps tasks take."""
        study(decider, self.lengths)
