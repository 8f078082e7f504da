"""All that is learned from the runs of one program, to be kept and put together.

Rule 1: what is saved is plain data, keyed by names of sites and objects that last; numbers are of one process.
Rule 2: merging is in any order, in any grouping and as often as one likes: sets are united, of counts the larger
stands. What is saved is in an order of its own, so the same tables are the same bytes.
Rule 3: bounded, however many runs are learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypedDict

from faultloop.deciders.accesses import Accesses
from faultloop.deciders.footprints import Footprints
from faultloop.deciders.holding import Sites
from faultloop.deciders.lengths import Lengths
from faultloop.deciders.looking import LookingDecider, study
from faultloop.deciders.readsfrom import ReadsFrom


class Saved(TypedDict):
    """What a file of learned tables holds."""

    accesses: dict[str, dict[str, int]]
    footprints: dict[str, list[tuple[str, bool]]]
    lengths: dict[str, list[int]]
    reads: list[tuple[str, str, str | None, int]]
    sites: dict[str, int]


class Learned:
    """The tables that strategies share."""

    __slots__ = ("accesses", "footprints", "lengths", "reads", "sites")

    def __init__(self) -> None:
        self.accesses = Accesses()
        self.footprints = Footprints()
        self.lengths = Lengths()
        self.reads = ReadsFrom()
        self.sites = Sites()

    def learn(self, decider: LookingDecider) -> None:
        """Learn from the run that this decider answered."""
        study(decider, self.accesses, self.footprints, self.lengths, self.reads, self.sites)

    def save(self, name: Callable[[int], str], object_name: Callable[[int], str] = str) -> Saved:
        """Plain data. name, object_name: the lasting names of a site and of an object."""
        return {
            "accesses": self.accesses.save(object_name),
            "footprints": self.footprints.save(name, object_name),
            "lengths": self.lengths.save(),
            "reads": self.reads.save(name, object_name),
            "sites": self.sites.save(name),
        }

    def merge(self, saved: Saved, number: Callable[[str], int], object_number: Callable[[str], int] = int) -> None:
        """Take in what was saved, here or elsewhere. number, object_number: those of this process, by their names."""
        self.accesses.merge(saved["accesses"], object_number)
        self.footprints.merge(saved["footprints"], number, object_number)
        self.lengths.merge(saved["lengths"])
        self.reads.merge(saved["reads"], number, object_number)
        self.sites.merge(saved["sites"], number)


def put_together(tables: Iterable[Saved]) -> Saved:
    """What was learned in several places, as if in one."""
    sites, objects = _Numbers("start"), _Numbers()  # number 0 is a first step everywhere
    learned = Learned()
    for saved in tables:
        learned.merge(saved, sites.number, objects.number)
    return learned.save(sites.name, objects.name)


class _Numbers:
    """A number for each name, as they come."""

    def __init__(self, *first: str) -> None:
        self._names = list(first)
        self._numbers = {name: number for number, name in enumerate(first)}

    def number(self, name: str) -> int:
        known = self._numbers.setdefault(name, len(self._names))
        if known == len(self._names):
            self._names.append(name)
        return known

    def name(self, number: int) -> str:
        return self._names[number]
