"""What steps touch, learned per site: a guess at what a waiting task will do next.

Rule 1: a footprint is everything that any step from a site was ever seen to touch. A wrong guess costs a strategy runs,
never a wrong claim.
Rule 2: bounded. Runs teach the first OBJECTS_MAX objects; merging unites what is given, however much it is.
Rule 3: sets of sites are bit masks, so that a question about all ready tasks costs one shift each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from faultloop.deciders.looking import Record, Touch

KNOWN_MAX = 10_000
OBJECTS_MAX = 10_000


class Footprints:
    """Which sites touch which objects."""

    __slots__ = ("_known", "touching", "writing")

    def __init__(self) -> None:
        self.touching: dict[int, int] = {}
        """Per object: the sites from which a step touches it, as bits."""
        self.writing: dict[int, int] = {}
        """Per object: the sites from which a step writes to it, as bits."""
        self._known: set[tuple[int, tuple[Touch, ...]]] = set()
        """What needs no second look."""

    def study(self, record: Record) -> None:
        """Learn from a run that is over."""
        known = self._known
        for _, site, touched in record.touching():
            seen = (site, touched)
            if seen not in known:
                if len(known) == KNOWN_MAX:
                    known.clear()
                known.add(seen)
                for number, is_write in touched:
                    if number in self.touching or len(self.touching) < OBJECTS_MAX:
                        self._add(number, site, is_write)

    def _add(self, number: int, site: int, is_write: bool) -> None:
        self.touching[number] = self.touching.get(number, 0) | 1 << site
        if is_write:
            self.writing[number] = self.writing.get(number, 0) | 1 << site

    def conflicting(self, touched: Sequence[Touch]) -> int:
        """The sites whose next step may conflict with these touches, as bits: same object, at least one write."""
        mask = 0
        for number, is_write in touched:
            mask |= (self.touching if is_write else self.writing).get(number, 0)
        return mask

    def save(self, name: Callable[[int], str], object_name: Callable[[int], str]) -> dict[str, list[tuple[str, bool]]]:
        """Plain data: per site, by its lasting name, the objects touched from it and whether they are written to."""
        saved: dict[str, list[tuple[str, bool]]] = {}
        for number, sites in self.touching.items():
            for site in members(sites):
                is_write = bool(self.writing.get(number, 0) >> site & 1)
                saved.setdefault(name(site), []).append((object_name(number), is_write))
        return {site: sorted(touches) for site, touches in sorted(saved.items())}

    def merge(
        self,
        saved: dict[str, list[tuple[str, bool]]],
        number_of: Callable[[str], int],
        object_number: Callable[[str], int],
    ) -> None:
        """Take in what was saved, here or elsewhere."""
        for site, touches in saved.items():
            for name, is_write in touches:
                self._add(object_number(name), number_of(site), is_write)


def members(mask: int) -> list[int]:
    """The places of the bits that are set, ascending."""
    places: list[int] = []
    while mask:
        low = mask & -mask
        places.append(low.bit_length() - 1)
        mask ^= low
    return places
