"""Which write each read has seen: the table behind reads-from feedback.

A pair says that a step from site `reader` saw an object as a step from site `writer` had left it (NOBODY: untouched).
Rule 1: pairs name sites, not tasks, so that a hundred tasks that do the same are as little as two.
Rule 2: an object that is never merely read (a lock, a queue, an event) is read by everything that touches it: there the
order of any two touches may matter.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from faultloop.deciders.looking import Record

NOBODY = -1

Pair = tuple[int, int, int]
"""(object, reader, writer): two sites, or NOBODY for the writer."""


class ReadsFrom:
    """How many runs showed or asked for each pair, and which pairs could be."""

    __slots__ = ("_merely_read", "readers", "tried", "writers")

    def __init__(self) -> None:
        self.tried: dict[Pair, int] = {}
        """Per pair: in how many runs it came about, plus how often it was asked for."""
        self.readers: dict[int, dict[int, None]] = {}
        """Per object: the sites that read it, in order of discovery."""
        self.writers: dict[int, dict[int, None]] = {}
        """Per object: the sites that write to it, in order of discovery."""
        self._merely_read: set[int] = set()

    def study(self, record: Record) -> None:
        """Learn from a run that is over."""
        for pair in self.pairs(record):
            self.tried[pair] = self.tried.get(pair, 0) + 1

    def pairs(self, record: Record) -> dict[Pair, None]:
        """The pairs of a run, in order."""
        last: dict[int, int] = {}
        found: dict[Pair, None] = {}
        for _, site, touched in record.steps:
            for number, is_write in touched:
                if not is_write:
                    self._merely_read.add(number)
                if not is_write or number not in self._merely_read:
                    self.readers.setdefault(number, {})[site] = None
                    found[number, site, last.get(number, NOBODY)] = None
                if is_write:
                    self.writers.setdefault(number, {})[site] = None
                    last[number] = site
        return found

    def possible(self) -> list[Pair]:
        """Every pair of a reader and a writer of the same object, seen or not."""
        return [
            (number, reader, writer)
            for number, readers in self.readers.items()
            if number in self.writers
            for reader in readers
            for writer in (NOBODY, *self.writers[number])
        ]

    def draw(self, random: Random, count: int) -> list[Pair]:
        """`count` of the possible pairs, the less tried the more likely; empty if there are none."""
        possible, tried = self.possible(), self.tried
        if not possible:
            return []
        drawn = random.choices(possible, [1 / (1 + tried.get(pair, 0)) for pair in possible], k=count)
        for pair in drawn:
            tried[pair] = tried.get(pair, 0) + 1
        return drawn

    def save(self, name: Callable[[int], str]) -> list[tuple[int, str, str | None, int]]:
        """Plain data: object, reader, writer (None: nobody), how often tried."""
        return [
            (number, name(reader), None if writer == NOBODY else name(writer), count)
            for (number, reader, writer), count in sorted(self.tried.items())
        ]

    def merge(self, saved: list[tuple[int, str, str | None, int]], number_of: Callable[[str], int]) -> None:
        """Take in what was saved, here or elsewhere."""
        for number, reader_name, writer_name, count in saved:
            reader = number_of(reader_name)
            writer = NOBODY if writer_name is None else number_of(writer_name)
            self.readers.setdefault(number, {})[reader] = None
            if writer != NOBODY:
                self.writers.setdefault(number, {})[writer] = None
            self.tried[number, reader, writer] = max(count, self.tried.get((number, reader, writer), 0))
