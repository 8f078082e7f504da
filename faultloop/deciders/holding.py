"""Holding: at one or two await points every task waits until nothing else can go on.

A run draws a few sites. A task that waits there goes on only when all that is ready waits at such sites, those drawn
first before those drawn later; everything else goes by URW. Sites that were drawn often are drawn less. It is PCT with
places instead of tasks: that a hundred tasks stand at the same await is one decision, where a priority per task needs a
hundred.
Guarantee: with s sites, a bug that shows whenever k given sites are held, in a given order, is asked for with
probability >= 1 / (2 * s^k) in a run, for k <= 2 and as long as sites are drawn evenly, however many tasks there are.
Needs no footprints. Where picks offer only some of what is ready, all means all that is offered.
Source: this project; sites as the unit of a schedule are from RFF (see rff.py), starving them from PCT (see pct.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from faultloop.deciders.lengths import Lengths
from faultloop.deciders.looking import LookingDecider, Record, study, watched
from faultloop.deciders.urw import Remaining

HELD_MAX = 2
SITES_MAX = 1_000


class Sites:
    """The await points seen, the first SITES_MAX that runs came to, and how often each was held."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held: dict[int, int] = {}
        """Per site, in order of discovery: how often it was held. First steps wait for nothing and are left out."""

    def study(self, record: Record) -> None:
        """Learn from a run that is over."""
        held = self.held
        for _, site, _ in record.steps:
            if site and site not in held and len(held) < SITES_MAX:
                held[site] = 0

    def save(self, name: Callable[[int], str]) -> dict[str, int]:
        """Plain data: per site, by its lasting name, how often it was held."""
        return dict(sorted((name(site), count) for site, count in self.held.items()))

    def merge(self, saved: dict[str, int], number_of: Callable[[str], int]) -> None:
        """Take in what was saved, here or elsewhere."""
        for name, count in saved.items():
            site = number_of(name)
            self.held[site] = max(count, self.held.get(site, 0))

    def draw(self, random: Random, count: int) -> list[int]:
        """At most `count` of them, those that were held less often more likely."""
        rest, drawn = list(self.held), list[int]()
        while rest and len(drawn) < count:
            weights = [(1 + self.held[site]) ** -2 for site in rest]
            site = random.choices(rest, weights)[0]
            rest.remove(site)
            drawn.append(site)
            self.held[site] += 1
        return drawn


class Held:
    """Answers with a task that waits at no held site, or else at the one that is held the least; not for ever."""

    __slots__ = ("_base", "_levels", "_patience", "made", "ran")

    def __init__(self, base: LookingDecider, sites: Sequence[int], *, patience: int) -> None:
        self._patience = patience
        self._base = base
        self._levels = {site: level for level, site in enumerate(sites, start=1)}
        self.made = base.made
        self.ran = base.ran

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """What the base picks, of all if that is not held, or else of those on the lowest level."""
        index = self._base.pick(tasks, sites)
        of = self._levels
        if sites[index] not in of or self._patience < 0:
            return index
        levels = [of.get(site, 0) for site in sites]
        lowest = min(levels)
        if levels[index] == lowest:
            return index
        self._patience -= 1
        free = [place for place, level in enumerate(levels) if level == lowest]
        if len(free) == 1:
            return free[0]
        return free[self._base.pick([tasks[place] for place in free], [sites[place] for place in free])]


class Holding:
    """Holds a few sites a run."""

    name = "holding"
    needs_footprints = False
    is_exhausted = False

    def __init__(self, random: Random, *, sites: Sites | None = None, lengths: Lengths | None = None) -> None:
        self._random = random
        self.sites = sites or Sites()
        self.lengths = lengths or Lengths()

    def decider(self) -> LookingDecider:
        """Answers the next run."""
        random = self._random
        drawn = self.sites.draw(random, random.randint(1, HELD_MAX))
        return watched(Held(Remaining(random, self.lengths), drawn, patience=self.lengths.patience))

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """Learn which sites there are and how long runs are."""
        study(decider, self.sites, self.lengths)
