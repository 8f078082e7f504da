"""A strategy at work: what it learns from one part of a level to the next, and what its runs count as having shown."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import pairwise
from random import Random

from faultloop.deciders.learned import Learned, Saved
from faultloop.deciders.looking import Offers
from faultloop.deciders.strategies import strategy as make_strategy
from faultloop.drivers.facts import Guided
from faultloop.drivers.frames import ChainTable
from faultloop.drivers.touches import object_name, object_number
from faultloop.search.units import Guiding


class Lane:
    """A strategy and what it learns from one part to the next."""

    def __init__(self, unit: Guiding, part: int, hold: int | None) -> None:
        self.part = part
        self.sites = ChainTable()
        self._learned: Learned | None = None
        random = Random(f"{unit.strategy} {unit.seed} {part}")
        if unit.strategy == "auto":
            self._learned = Learned()
            if unit.learned is not None:
                self._learned.merge(unit.learned, self.sites.number_of, object_number)
        offers: Offers = "turn" if unit.order == "batch" else "all" if hold is None else "some"
        self.strategy = make_strategy(unit.strategy, random, learned=self._learned, offers=offers)
        self._names: list[int] = []

    def pairs(self, guided: Guided) -> Iterator[int]:
        """What of a run's order counts as coverage: from which await a step came right before one from which other.

        By awaits and not by tasks, so that a hundred tasks that do the same are as little as two.
        """
        names, sites = self._names, self.sites.names
        names += [zlib.crc32(name.encode()) for name in sites[len(names) :]]
        for (task, site), (other, other_site) in pairwise(guided.steps):
            if task != other:
                yield hash((names[site], names[other_site]))

    def save(self) -> Saved | None:
        """The tables learned, for who goes on elsewhere."""
        if self._learned is None:
            return None
        return self._learned.save(lambda site: self.sites.names[site], object_name)
