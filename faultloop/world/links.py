"""How long what is sent takes, and whether it comes at all. Pure: instants and sizes in, instants out.

A link is one direction between two hosts. Times are virtual nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from faultloop.model.faults import NANOSECONDS
from faultloop.world.hosts import Host

SYN_RETRIES: Final = 6
DATA_RETRIES: Final = 15
_FIRST_SYN: Final = NANOSECONDS
_FIRST_RESEND: Final = NANOSECONDS // 5
_LAST_RESEND: Final = 120 * NANOSECONDS


def syn_wait(attempt: int) -> int:
    """How long Linux waits for an answer to its n-th attempt to connect, from 0: 1 s, doubled each time."""
    return _FIRST_SYN << attempt


def resend_wait(attempt: int) -> int:
    """How long Linux waits before it sends unanswered bytes again, from 0: 200 ms, doubled, at most two minutes."""
    return min(_FIRST_RESEND << attempt, _LAST_RESEND)


@dataclass(slots=True)
class Link:
    """latency: ns.   bandwidth: bytes a second, 0 for no limit.   is_parted: by a partition.   is_down: a host is.

    is_cut: nothing passes.   is_calm: what is sent is there at once. Both are kept: they are asked for every segment.
    """

    latency: int = 0
    bandwidth: int = 0
    is_parted: bool = False
    is_down: bool = False
    is_cut: bool = field(init=False, default=False)
    is_calm: bool = field(init=False, default=True)
    _free_at: int = field(init=False, default=0)
    """When the last byte sent so far has left."""

    def update(self) -> None:
        """Have what follows from the other fields follow, after one of them was set."""
        self.is_cut = self.is_parted or self.is_down
        self.is_calm = not (self.latency or self.bandwidth or self.is_cut)

    def arrival(self, now: int, size: int) -> int:
        """When `size` bytes sent now are there, behind those sent before."""
        if not self.bandwidth:
            return now + self.latency
        self._free_at = max(now, self._free_at) + size * NANOSECONDS // self.bandwidth
        return self._free_at + self.latency


class Links:
    """All links, made when they are first asked for. A host reaches itself at once, whatever happens to the others."""

    def __init__(self) -> None:
        self._links: dict[tuple[str, str], Link] = {}
        self._to_itself = Link()

    def between(self, one: Host, other: Host) -> Link:
        """The link from one host to another."""
        if one is other:
            return self._to_itself
        key = (one.name, other.name)
        link = self._links.get(key)
        if link is None:
            link = self._links[key] = Link(is_down=not (one.is_up and other.is_up))
            link.update()
        return link

    def of(self, host: Host) -> list[Link]:
        """The links made so far that begin or end at a host."""
        return [link for names, link in self._links.items() if host.name in names]

    @property
    def all(self) -> list[Link]:
        """The links made so far."""
        return list(self._links.values())
