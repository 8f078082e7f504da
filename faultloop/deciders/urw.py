"""URW: uniform over interleavings, by how many steps each task has left.

A ready task goes next with a probability proportional to the steps that it, and the tasks it is yet to make, have left;
the counts come from the runs before. A random walk wears all tasks down evenly and almost never lets one go far ahead;
this does.
Guarantee: where the counts are right, nothing waits for anything and all that is ready is offered, every interleaving
is equally likely.
Source: H. Zhao, D. Wolff, U. Mathur, A. Roychoudhury, «Selectively Uniform Concurrency Testing», ASPLOS 2025.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate
from random import Random

from faultloop.deciders.lengths import Lengths
from faultloop.deciders.looking import LookingDecider, Touch, study, watched

OPTIONS_TO_SUM = 8
"""With more options than this, a few draws are tried before all weights are summed up."""
DRAWS = 4


class Remaining:
    """Answers in proportion to what is left."""

    __slots__ = ("_draw", "_left", "_most", "_newborn", "_weights")

    def __init__(self, random: Random, lengths: Lengths) -> None:
        self._draw: Callable[[], float] = random.random
        self._left = lengths.families.copy()
        self._weights = [max(1, count) for count in self._left]
        """What is left, at least 1: whatever the counts say, a task that is ready can go on."""
        self._most = max(self._weights)
        """No weight is larger: they only fall."""
        self._newborn: list[int] = []

    def made(self, task: int, /) -> None:
        """Its steps are no longer its parent's."""
        if task == len(self._left):
            self._left.append(1)
            self._weights.append(1)
        self._newborn.append(task)

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """One of them, in proportion to what each has left, at least 1."""
        if (options := len(tasks)) > OPTIONS_TO_SUM:
            # Any of them, kept with a probability in proportion to its weight: the same answer, but without the sums.
            for _ in range(DRAWS):
                drawn = self._draw() * options
                index = int(drawn)
                if (drawn - index) * self._most < self._weights[tasks[index]]:
                    return index
            self._most = max(self._weights)
        sums = list(accumulate(map(self._weights.__getitem__, tasks)))
        return bisect(sums, int(self._draw() * sums[-1]))

    def ran(self, task: int, site: int, touched: Sequence[Touch], /) -> None:
        """One less is left."""
        left = self._left[task] - 1
        if self._newborn:
            left -= sum(self._left[child] for child in self._newborn if child != task)
            self._newborn.clear()
        self._left[task] = left
        self._weights[task] = left if left > 1 else 1


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
