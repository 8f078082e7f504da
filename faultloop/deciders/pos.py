"""POS: a random priority for every step to come, drawn again when a conflicting step went first.

The ready task whose next step has the highest priority goes next. A task's priority is drawn again after each of its
steps; and when a step touched something that a waiting task's next step is likely to touch too, that task's priority is
drawn again, so that the order of a conflict does not depend on the order of an earlier one.
Guarantee: partial orders are sampled with far less redundancy than by a random walk; without footprints it is a walk
that draws per step.
Source: X. Yuan, J. Yang, R. Gu, «Partial Order Aware Concurrency Sampling», CAV 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from faultloop.deciders.footprints import Footprints
from faultloop.deciders.looking import LookingDecider, Touch, study, watched


class StepPriorities:
    """Answers with the highest priority of a next step."""

    __slots__ = ("_draw", "_footprints", "_of", "_stale")

    def __init__(self, random: Random, footprints: Footprints) -> None:
        self._draw: Callable[[], float] = random.random
        self._footprints = footprints
        self._of: list[float] = [0.0]
        self._stale = 0  # sites in conflict with a step since the last pick, as bits

    def made(self, task: int, /) -> None:
        """Draw for its first step."""
        self._of.append(self._draw())

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """The one with the highest priority, after drawing again what is stale."""
        of = self._of
        if self._stale:
            stale, self._stale = self._stale, 0
            for task, site in zip(tasks, sites, strict=True):
                if stale >> site & 1:
                    of[task] = self._draw()
        priorities = [of[task] for task in tasks]
        return priorities.index(max(priorities))

    def ran(self, task: int, site: int, touched: Sequence[Touch], /) -> None:
        """Draw for its next step; note which sites conflict."""
        self._of[task] = self._draw()
        if touched:
            self._stale |= self._footprints.conflicting(touched)


class Pos:
    """Partial order sampling."""

    name = "pos"
    needs_footprints = True
    is_exhausted = False

    def __init__(self, random: Random, *, footprints: Footprints | None = None) -> None:
        self._random = random
        self.footprints = footprints or Footprints()

    def decider(self) -> LookingDecider:
        """Answers the next run."""
        return watched(StepPriorities(self._random, self.footprints))

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """Learn what steps touch."""
        study(decider, self.footprints)
