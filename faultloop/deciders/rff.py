"""RFF: make a read see a write that it has rarely seen.

A run draws one to three reads-from pairs, those rarely seen or asked for first, and tries to bring them about: whoever
is about to read waits until the wanted write was the last one, and then whoever would overwrite it waits for the read.
Everything else goes by POS or by URW, in equal shares; if it is given sites, with one of them held (see holding.py).
Guarantee: none; a pair is brought about whenever the footprints are right and neither the waiting itself nor what is
offered prevents it.
Source: D. Wolff, Z. Shi, G. Duck, U. Mathur, A. Roychoudhury, «Greybox Fuzzing for Concurrency Testing», ASPLOS 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from faultloop.deciders.footprints import Footprints
from faultloop.deciders.holding import Held, Sites
from faultloop.deciders.lengths import Lengths
from faultloop.deciders.looking import LookingDecider, Touch, study, watched
from faultloop.deciders.pos import StepPriorities
from faultloop.deciders.readsfrom import NOBODY, Pair, ReadsFrom
from faultloop.deciders.urw import Remaining

WANTED_MAX = 3


class Wanted:
    """Answers so that the wanted pairs come about; within that, as the base would."""

    __slots__ = ("_base", "_footprints", "_last", "_open", "_patience", "_unwelcome", "made")

    def __init__(self, base: LookingDecider, footprints: Footprints, wanted: Sequence[Pair], *, patience: int) -> None:
        self._patience = patience
        self._base = base
        self.made = base.made
        self._footprints = footprints
        self._open = {(number, reader): writer for number, reader, writer in wanted}
        """The pairs that have not come about: (object, reader) → writer."""
        self._last: dict[int, int] = {}
        self._unwelcome = 0
        """Sites from which a step would spoil a pair, as bits."""
        self._judge()

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """What the base picks, of all if that spoils no wanted pair, or else of those that spoil none, if any."""
        index, unwelcome = self._base.pick(tasks, sites), self._unwelcome
        if not unwelcome >> sites[index] & 1 or self._patience < 0:
            return index
        self._patience -= 1
        free = [place for place, site in enumerate(sites) if not unwelcome >> site & 1]
        if len(free) < 2:
            return free[0] if free else index
        return free[self._base.pick([tasks[place] for place in free], [sites[place] for place in free])]

    def ran(self, task: int, site: int, touched: Sequence[Touch], /) -> None:
        """Note who wrote last, and which pairs came about."""
        if touched and self._open:
            waiting, last = self._open, self._last
            for number, is_write in touched:
                if (number, site) in waiting and waiting[number, site] == last.get(number, NOBODY):
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

    def __init__(
        self,
        random: Random,
        *,
        footprints: Footprints | None = None,
        reads: ReadsFrom | None = None,
        lengths: Lengths | None = None,
        sites: Sites | None = None,
    ) -> None:
        self._random = random
        self._sites = sites
        self.footprints = footprints or Footprints()
        self.reads = reads or ReadsFrom()
        self.lengths = lengths or Lengths()

    def decider(self) -> LookingDecider:
        """Answers the next run."""
        random = self._random
        wanted = self.reads.draw(random, random.randint(1, WANTED_MAX))
        by_pos = random.random() < 0.5
        base: LookingDecider = StepPriorities(random, self.footprints) if by_pos else Remaining(random, self.lengths)
        if self._sites is not None:
            base = Held(base, self._sites.draw(random, 1), patience=self.lengths.patience)
        return watched(Wanted(base, self.footprints, wanted, patience=self.lengths.patience))

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """Learn what steps touch, which reads saw which writes, and how long runs are."""
        study(decider, self.footprints, self.reads, self.lengths)
        if self._sites is not None:
            study(decider, self._sites)
