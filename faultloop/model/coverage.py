"""Await coverage: which waits of a program were seen, which faults they can have, and which they have had.

A *point* is a place in the source where tasks wait. What can be done to it there, a kind of fault in a phase, is a
*chance*; one that was taken, in a run that reached it, is *tried*. Covered means: tried as far as there are chances.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

import msgspec

from faultloop.model.points import Site

FORMAT: Literal["faultloop-coverage"] = "faultloop-coverage"
VERSION = 1
Count = Annotated[int, msgspec.Meta(ge=0)]
Chance = tuple[str, str]
"""A kind of fault and a phase: `("cancel", "woken")`."""


class Point(msgspec.Struct, frozen=True, order=True):
    """A place where tasks wait. file: relative to the project, or `<stdlib>/…`, `<site>/…`."""

    file: str
    line: int
    function: str
    awaited: str

    @classmethod
    def of(cls, site: Site) -> Point:
        """The point of a recorded site."""
        return cls(site.file, site.line, site.function, site.awaited)


class Covered(msgspec.Struct, frozen=True):
    """What is known of a point. tried: how often, by chance; 0 for one that nobody has taken."""

    point: Point
    tried: tuple[tuple[str, str, Count], ...] = ()

    @property
    def chances(self) -> int:
        """How many there are."""
        return len(self.tried)

    @property
    def taken(self) -> int:
        """How many of them were taken."""
        return sum(count > 0 for _, _, count in self.tried)


class Coverage(msgspec.Struct, frozen=True):
    """What explorations have seen and tried.

    points: ordered.   passed: lines that a wait was below of, by file, ascending: an `await` of a function that waits.
    sources: what tells a file's present text from an earlier one, by file, as far as it could be read.
    """

    format: Literal["faultloop-coverage"] = FORMAT
    version: Annotated[int, msgspec.Meta(ge=1, le=VERSION)] = VERSION
    points: tuple[Covered, ...] = ()
    passed: dict[str, tuple[int, ...]] = {}
    sources: dict[str, str] = {}


class Counting:
    """A coverage as it grows."""

    def __init__(self) -> None:
        self._tried: dict[Point, dict[Chance, int]] = {}
        self._passed: dict[str, set[int]] = {}

    def seen(self, site: Site) -> None:
        """A task waited at a site."""
        point = Point.of(site)
        if point in self._tried:
            return
        self._tried[point] = {}
        for frame in site.chain:
            place = frame.rpartition(" ")[2]
            file, _, line = place.rpartition(":")
            if line.isdigit():
                self._passed.setdefault(file, set()).add(int(line))

    def can(self, site: Site, chance: Chance) -> None:
        """There is a chance."""
        self.seen(site)
        self._tried[Point.of(site)].setdefault(chance, 0)

    def tried(self, site: Site, chance: Chance) -> None:
        """It was taken, and the fault landed."""
        self.can(site, chance)
        self._tried[Point.of(site)][chance] += 1

    def add(self, other: Coverage) -> None:
        """Take in what another one knows."""
        for covered in other.points:
            known = self._tried.setdefault(covered.point, {})
            for kind, phase, count in covered.tried:
                known[kind, phase] = known.get((kind, phase), 0) + count
        for file, lines in other.passed.items():
            self._passed.setdefault(file, set()).update(lines)

    def coverage(self, sources: Mapping[str, str] | None = None) -> Coverage:
        """All of it, in an order that depends on nothing else."""
        points = tuple(
            Covered(point, tuple((*chance, count) for chance, count in sorted(self._tried[point].items())))
            for point in sorted(self._tried)
        )
        passed = {file: tuple(sorted(lines)) for file, lines in sorted(self._passed.items())}
        return Coverage(points=points, passed=passed, sources=dict(sources or {}))


def merged(older: Coverage, newer: Coverage) -> Coverage:
    """Both together. What the older one knows of a file that has changed since is dropped: its lines have moved."""
    changed = {file for file, text in newer.sources.items() if older.sources.get(file, text) != text}
    counting = Counting()
    counting.add(_without(older, changed))
    counting.add(newer)
    return counting.coverage({**older.sources, **newer.sources})


def _without(coverage: Coverage, files: Iterable[str]) -> Coverage:
    gone = frozenset(files)
    return Coverage(
        points=tuple(covered for covered in coverage.points if covered.point.file not in gone),
        passed={file: lines for file, lines in coverage.passed.items() if file not in gone},
        sources={file: text for file, text in coverage.sources.items() if file not in gone},
    )
