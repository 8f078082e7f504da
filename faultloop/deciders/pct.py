"""PCT: random priorities, and a few random places at which the running task falls behind everyone.

Each task gets a random priority when it is made, and the ready task with the highest goes next. At `depth - 1` places
drawn among the steps of a run, the task that just ran drops below all others. So a task may starve for as long as it
takes.
Guarantee: a bug of depth d in n tasks and k steps is found with probability >= 1 / (n * k^(d-1)) per run; k is taken
from the runs before.
Source: S. Burckhardt, P. Kothari, M. Musuvathi, S. Nagarakatte, «A Randomized Scheduler with Probabilistic Guarantees
of Finding Bugs», ASPLOS 2010.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from faultloop.deciders.lengths import Lengths
from faultloop.deciders.looking import LookingDecider, Touch, study, watched

STEPS_GUESSED = 20
"""How long a run is taken to be before the first one was seen."""


class Priorities:
    """Answers with the highest priority; drops who ran at the change points."""

    __slots__ = ("_changes", "_of", "_patience", "_random", "_step")

    def __init__(self, random: Random, *, depth: int, steps: int, patience: int) -> None:
        self._random = random
        self._of: list[float] = [0.0]
        self._step = 0
        self._patience = patience
        # A later change drops deeper, so priorities stay distinct: place → new priority, below all first ones.
        self._changes = {random.randrange(1, max(2, steps)): float(-place) for place in range(1, depth)}

    def made(self, task: int, /) -> None:
        """Draw its priority."""
        self._of.append(self._random.random())

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """The one with the highest priority."""
        priorities = [self._of[task] for task in tasks]
        return priorities.index(max(priorities))

    def ran(self, task: int, site: int, touched: Sequence[Touch], /) -> None:
        """Drop it if this is a change point, or if the run has become so long that all must have their turn."""
        self._step += 1
        if self._step > self._patience:
            self._of[task] = float(-self._step)
        elif self._step in self._changes:
            self._of[task] = self._changes[self._step]


class Pct:
    """PCT of a fixed depth."""

    needs_footprints = False
    is_exhausted = False

    def __init__(self, random: Random, *, depth: int = 3, lengths: Lengths | None = None) -> None:
        assert depth >= 1, depth
        self.name = f"pct{depth}"
        self._random = random
        self._depth = depth
        self.lengths = lengths or Lengths()

    def decider(self) -> LookingDecider:
        """Answers the next run."""
        steps = self.lengths.steps or STEPS_GUESSED
        return watched(Priorities(self._random, depth=self._depth, steps=steps, patience=self.lengths.patience))

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """Learn how long runs are."""
        study(decider, self.lengths)
