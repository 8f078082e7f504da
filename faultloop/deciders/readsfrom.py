"""Which write each read has seen: the table behind reads-from feedback.

A pair says that a step from site `reader` saw an object as a step from site `writer` had left it (NOBODY: untouched).
Rule 1: pairs name sites, not tasks, so that a hundred tasks that do the same are as little as two.
Rule 2: an object that is never merely read (a lock, a queue, an event) is read by everything that touches it: there the
order of any two touches may matter.
"""

from __future__ import annotations

from faultloop.deciders.looking import Record

NOBODY = -1

Pair = tuple[int, int, int]
"""(object, reader, writer): two sites, or NOBODY for the writer."""


class ReadsFrom:
    """How many runs showed each pair, and which pairs could be."""

    __slots__ = ("_merely_read", "readers", "seen", "writers")

    def __init__(self) -> None:
        self.seen: dict[Pair, int] = {}
        self.readers: dict[int, dict[int, None]] = {}
        """Per object: the sites that read it, in order of discovery."""
        self.writers: dict[int, dict[int, None]] = {}
        """Per object: the sites that write to it, in order of discovery."""
        self._merely_read: set[int] = set()

    def study(self, record: Record) -> None:
        """Learn from a run that is over."""
        for pair in self.pairs(record):
            self.seen[pair] = self.seen.get(pair, 0) + 1

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
