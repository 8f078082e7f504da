"""Which write each read has seen: the table behind reads-from feedback.

A pair says that a step from site `reader` saw an object as a step from site `writer` had left it (NOBODY: untouched).
Rule 1: pairs name sites, not tasks, so that a hundred tasks that do the same are as little as two.
Rule 2: an object that is never merely read (a lock, a queue, an event) is read by everything that touches it: there the
order of any two touches may matter.
Rule 3: bounded. From PAIRS_MAX pairs on, no new sites are taken in; merging unites what is given, however much it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from faultloop.deciders.looking import Record

NOBODY = -1
PAIRS_MAX = 2_000

Pair = tuple[int, int, int]
"""(object, reader, writer): two sites, or NOBODY for the writer."""


class ReadsFrom:
    """How many runs showed or asked for each pair that could be."""

    __slots__ = ("_merely_read", "_readers", "_writers", "tried")

    def __init__(self) -> None:
        self.tried: dict[Pair, int] = {}
        """Per pair of a reader and a writer of the same object: in how many runs it came about, plus how often it was
        asked for."""
        self._readers: dict[int, dict[int, None]] = {}
        """Per object: the sites that read it, in order of discovery."""
        self._writers: dict[int, dict[int, None]] = {}
        """Per object: the sites that write to it, in order of discovery."""
        self._merely_read: set[int] = set()

    def study(self, record: Record) -> None:
        """Learn from a run that is over."""
        tried = self.tried
        for pair in self.pairs(record):
            if pair in tried:
                tried[pair] += 1

    def pairs(self, record: Record) -> dict[Pair, None]:
        """The pairs of a run, in order."""
        merely_read = self._merely_read
        last: dict[int, int] = {}
        wrote: dict[tuple[int, int], None] = {}
        found: dict[Pair, None] = {}
        for _, site, touched in record.touching():
            for number, is_write in touched:
                if not is_write:
                    merely_read.add(number)
                    found[number, site, last.get(number, NOBODY)] = None
                    continue
                if number not in merely_read:
                    found[number, site, last.get(number, NOBODY)] = None
                wrote[number, site] = None
                last[number] = site
        self._discover(wrote, found)
        return found

    def _discover(self, wrote: Iterable[tuple[int, int]], found: Iterable[Pair]) -> None:
        for number, site in wrote:
            if site not in self._writers.setdefault(number, {}) and len(self.tried) < PAIRS_MAX:
                self._add_writer(number, site)
        for number, site, _ in found:
            if site not in self._readers.setdefault(number, {}) and len(self.tried) < PAIRS_MAX:
                self._add_reader(number, site)

    def _add_writer(self, number: int, site: int) -> None:
        known = self._writers.setdefault(number, {})
        writers = (site,) if known else (NOBODY, site)  # what nobody writes to has nothing to order
        known[site] = None
        for reader in self._readers.setdefault(number, {}):
            for writer in writers:
                self.tried.setdefault((number, reader, writer), 0)

    def _add_reader(self, number: int, site: int) -> None:
        self._readers.setdefault(number, {})[site] = None
        if writers := self._writers.get(number):
            for writer in (NOBODY, *writers):
                self.tried.setdefault((number, site, writer), 0)

    def draw(self, random: Random, count: int) -> list[Pair]:
        """`count` of the possible pairs, the less tried the more likely; empty if there are none."""
        tried = self.tried
        if not tried:
            return []
        drawn = random.choices(list(tried), [1 / (1 + times) for times in tried.values()], k=count)
        for pair in drawn:
            tried[pair] += 1
        return drawn

    def save(
        self, name: Callable[[int], str], object_name: Callable[[int], str]
    ) -> list[tuple[str, str, str | None, int]]:
        """Plain data: object, reader, writer (None: nobody), how often tried."""
        saved = [
            (object_name(number), name(reader), None if writer == NOBODY else name(writer), count)
            for (number, reader, writer), count in self.tried.items()
        ]
        return sorted(saved, key=lambda row: (row[0], row[1], row[2] or ""))

    def merge(
        self,
        saved: list[tuple[str, str, str | None, int]],
        number_of: Callable[[str], int],
        object_number: Callable[[str], int],
    ) -> None:
        """Take in what was saved, here or elsewhere."""
        for object_name, reader_name, writer_name, count in saved:
            number, reader = object_number(object_name), number_of(reader_name)
            writer = NOBODY if writer_name is None else number_of(writer_name)
            if writer != NOBODY and writer not in self._writers.get(number, {}):
                self._add_writer(number, writer)
            if reader not in self._readers.get(number, {}):
                self._add_reader(number, reader)
            pair = (number, reader, writer)
            self.tried[pair] = max(count, self.tried.get(pair, 0))
