"""RFF: make a read see a write that it has rarely seen.

A run draws one to three reads-from pairs, rare ones first, and tries to bring them about: whoever is about to read waits
until the wanted write was the last one, and then whoever would overwrite it waits until it was read. Everything else
goes by POS.
Guarantee: none; each pair that can happen and is asked for alone is met unless the program cannot get there.
Source: D. Wolff, Z. Shi, G. Duck, U. Mathur, A. Roychoudhury, «Greybox Fuzzing for Concurrency Testing», ASPLOS 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from faultloop.deciders.footprints import Footprints
from faultloop.deciders.looking import LookingDecider, Touch, Watched, study
from faultloop.deciders.pos import StepPriorities
from faultloop.deciders.readsfrom import NOBODY, Pair, ReadsFrom


class Wanted:
    """Answers so that the wanted pairs come about; within that, the highest priority."""

    __slots__ = ("_base", "_footprints", "_last", "_open", "_unwelcome", "wanted")

    def __init__(self, random: Random, footprints: Footprints, wanted: Sequence[Pair]) -> None:
        self._base = StepPriorities(random, footprints)
        self._footprints = footprints
        self.wanted = wanted
        self._open = {(number, reader): writer for number, reader, writer in wanted}
        self._last: dict[int, int] = {}
        self._unwelcome = 0
        self._judge()

    def made(self, task: int, /) -> None:
        """Draw for its first step."""
        self._base.made(task)

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """The highest priority among those that do not spoil a wanted pair; of all, if all do."""
        unwelcome = self._unwelcome
        if unwelcome:
            free = [index for index, site in enumerate(sites) if not unwelcome >> site & 1]
            if 0 < len(free) < len(tasks):
                if len(free) == 1:
                    return free[0]
                return free[self._base.pick([tasks[index] for index in free], [sites[index] for index in free])]
        return self._base.pick(tasks, sites)

    def ran(self, task: int, site: int, touched: Sequence[Touch], /) -> None:
        """Note who wrote last, and which pairs came about."""
        if touched and self._open:
            waiting, last = self._open, self._last
            for number, is_write in touched:
                if waiting.get((number, site), -2) == last.get(number, NOBODY):
                    del waiting[number, site]
                if is_write:
                    last[number] = site
            self._judge()
        self._base.ran(task, site, touched)

    def _judge(self) -> None:
        unwelcome = 0
        writing, last = self._footprints.writing, self._last
        for (number, reader), writer in self._open.items():
            if last.get(number, NOBODY) == writer:
                unwelcome |= writing.get(number, 0) & ~(1 << reader)
            else:
                unwelcome |= 1 << reader
        self._unwelcome = unwelcome


class Rff:
    """Reads-from feedback."""

    name = "rff"
    needs_footprints = True
    is_exhausted = False

    def __init__(self, random: Random, *, footprints: Footprints | None = None, reads: ReadsFrom | None = None) -> None:
        self._random = random
        self.footprints = footprints or Footprints()
        self.reads = reads or ReadsFrom()

    def decider(self) -> LookingDecider:
        """Answers the next run."""
        random, seen = self._random, self.reads.seen
        possible = self.reads.possible()
        wanted: list[Pair] = []
        if possible and random.random() < 0.9:
            weights = [(1 + seen.get(pair, 0)) ** -0.5 for pair in possible]
            wanted = random.choices(possible, weights, k=random.choice((1, 2, 2, 3)))
        return Watched(Wanted(random, self.footprints, wanted))

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """Learn what steps touch and which reads saw which writes."""
        study(decider, self.footprints, self.reads)
