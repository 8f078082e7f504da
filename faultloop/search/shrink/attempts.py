"""Trying scripts: each at most once, within a budget, keeping the cheapest that failed.

Rule 1: nothing is claimed that did not run. `best` is a script, the faults, and what a run under both really did.
Rule 2: `best` only ever gets cheaper, so a script that was of no use once is of no use later, and is not run again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from faultloop.model.faults import PlannedFault
from faultloop.search.shrink.script import Attempt, Cost, Listing, Script, cost_of, shortest

Faults = tuple[PlannedFault, ...]
MakeAttempt = Callable[[Script, Faults], Attempt]
"""Runs the program by a script and under faults, and says what it really did."""


@dataclass(frozen=True, slots=True)
class Found:
    """A run that failed for the same cause, and what it was made by."""

    script: Script
    faults: Faults
    attempt: Attempt
    cost: Cost


class Attempts:
    """All attempts of one shrink.

    budget: how many may be made.   made: how many were.   cut: whether something was left untried for want of budget.
    """

    def __init__(self, attempt: MakeAttempt, budget: int) -> None:
        self._attempt = attempt
        self._limit: int = budget
        self._cache: dict[tuple[Script, Faults], Attempt] = {}
        self._best: Found | None = None
        self.made: int = 0
        self.cut: bool = False

    @property
    def best(self) -> Found:
        """The cheapest failing run so far."""
        assert self._best is not None, "nothing has failed yet"
        return self._best

    @property
    def left(self) -> int:
        """How many attempts may still be made."""
        return max(self._limit - self.made, 0)

    def probe(self, script: Script, faults: Faults) -> Attempt | None:
        """What a run by this script does; None when it would be one too many."""
        key = (script, faults)
        known = self._cache.get(key)
        if known is not None:
            return known
        if self.left == 0:
            self.cut = True
            return None
        self.made += 1
        self._cache[key] = attempt = self._attempt(script, faults)
        return attempt

    def begin(self, script: Script, faults: Faults) -> bool:
        """Make the first attempt, which only has to fail. Returns whether it did."""
        attempt = self.probe(script, faults)
        if attempt is not None and attempt.failed:
            self._best = Found(script, faults, attempt, cost_of(script, faults, attempt))
        return self._best is not None

    def improves(self, script: Script, faults: Faults | None = None) -> bool:
        """Whether a run by this script fails for the same cause and is cheaper; if so, it is the best now.

        faults: None for those of the best.
        """
        best = self.best
        with_faults = best.faults if faults is None else faults
        if with_faults == best.faults and _says_the_same(script, best):
            return False
        return self._accept(script, with_faults)

    def restates(self, script: Script) -> bool:
        """Whether another kind of script makes a run that fails for the same cause; if so, that is the best now."""
        best = self.best
        attempt = self.probe(script, best.faults)
        is_failing = attempt is not None and attempt.failed
        if attempt is not None and is_failing:
            self._best = Found(script, best.faults, attempt, cost_of(script, best.faults, attempt))
        return is_failing

    def confirms(self, script: Script) -> bool:
        """Whether a script makes the very run that is the best; if so, it is said by this script now."""
        best = self.best
        is_same = self.probe(script, best.faults) == best.attempt
        if is_same:
            self._best = Found(script, best.faults, best.attempt, best.cost)
        return is_same

    def _accept(self, script: Script, faults: Faults) -> bool:
        attempt = self.probe(script, faults)
        if attempt is None or not attempt.failed:
            return False
        cost = cost_of(script, faults, attempt)
        if cost >= self.best.cost:
            return False
        self._best = Found(script, faults, attempt, cost)
        return True

    @contextmanager
    def reserve(self, attempts: int) -> Generator[None]:
        """Keep some attempts for what comes after: at most a fifth of the budget."""
        before = self._limit
        self._limit = before - min(attempts, before // 5)
        try:
            yield
        finally:
            self._limit = before

    @contextmanager
    def allowance(self, share: float, *, at_least: int) -> Generator[None]:
        """Let what stands inside spend this share of what is left, so that no pass eats all of it."""
        before = self._limit
        self._limit = min(before, self.made + max(int(self.left * share), at_least))
        try:
            yield
        finally:
            self._limit = before


def _says_the_same(script: Script, best: Found) -> bool:
    """Whether a listing is what the best run did anyway, up to where its base goes on alike."""
    least = shortest(best.script, best.attempt)
    if isinstance(script, Listing) and isinstance(least, Listing):
        listed = len(script.tasks)
        return listed >= len(least.tasks) and script.tasks == best.attempt.schedule[:listed]
    return script == least
