"""The portfolio: several strategies take turns, and every run teaches all of them.

No strategy wins everywhere. The first runs go to reads-from feedback and to holding in turn; later ones more and more
to those that are uniform, for what the first two would have found was found by then. Runs that are watched (see
classes.py) repeat no class that was seen; where footprints may be incomplete, half of them may.
Guarantee: that of each member, at its share of the runs; with the random walk among them every schedule stays possible.
Source: P. Deligiannis and others, «Industrial-Strength Controlled Concurrency Testing for C# Programs with Coyote»,
TACAS 2023, for portfolios; the members are this project's choice, measured by benchmarks/programs.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, cycle
from random import Random

from faultloop.deciders.classes import START, Classes
from faultloop.deciders.holding import Holding
from faultloop.deciders.learned import Learned
from faultloop.deciders.looking import LookingDecider, Offers, Strategy
from faultloop.deciders.rff import Rff
from faultloop.deciders.surw import Surw
from faultloop.deciders.unseen import Fresh, watched_by
from faultloop.deciders.urw import Urw
from faultloop.deciders.walk import RandomWalk

OPENING = ("rff", "holding") * 6
MIDDLE = ("rff", "holding", "rff", "holding", "urw", "surw") * 6
LATER = ("surw", "rff", "surw", "holding", "urw", "surw", "random")


class Portfolio:
    """The learned and random strategies in turns: what «auto» is."""

    name = "auto"
    needs_footprints = True

    def __init__(
        self, random: Random, *, learned: Learned | None = None, sees_all: bool = False, offers: Offers = "all"
    ) -> None:
        """learned: from runs before.   sees_all: whether footprints are complete, so that classes seen need never be
        seen again.   offers: which of the ready tasks picks are offered.
        """
        self.learned = learned or Learned()
        self.classes = Classes(offers)
        self._sees_all = sees_all
        self._members = self._make(random)
        self._turns: Iterator[str] = chain(OPENING, MIDDLE, cycle(LATER))
        self._runs = 0

    def _make(self, random: Random) -> dict[str, Strategy]:
        def draw() -> Random:
            return Random(random.getrandbits(64))

        known = self.learned
        footprints, lengths = known.footprints, known.lengths
        members: list[Strategy] = [
            Rff(draw(), footprints=footprints, reads=known.reads, lengths=lengths, sites=known.sites),
            Holding(draw(), sites=known.sites, lengths=lengths),
            Urw(draw(), lengths=lengths),
            Surw(draw(), footprints=footprints, accesses=known.accesses, lengths=lengths),
            RandomWalk(draw()),
        ]
        return {member.name: member for member in members}

    @property
    def is_exhausted(self) -> bool:
        """Whether every class of runs was seen that the offers lead to. Only said where footprints are complete."""
        return self._sees_all and START in self.classes.closed

    def decider(self) -> LookingDecider:
        """Answers the next run."""
        self._runs += 1
        base = self._members[next(self._turns)].decider()
        if not self.classes.will_watch():
            return base
        is_filtered = self._sees_all or self._runs // 2 % 2 == 0
        return Fresh(base, self.classes, is_filtering=is_filtered)

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """Every run teaches all members."""
        self.learned.learn(watched_by(decider))
