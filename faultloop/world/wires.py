"""One direction of a connection over a link: in order, never lost unless the connection is.

What a cut link loses is sent again with Linux's waits, until the link heals or the sender gives up with ETIMEDOUT.
Knows a clock that calls back, and no loop.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from faultloop.world.hosts import Host
from faultloop.world.links import DATA_RETRIES, Link, resend_wait
from faultloop.world.stream import Flag, Segment, Stream

PIECE_BYTES: Final = 16_384
"""What travels together on a link with a bandwidth."""


class Clock(Protocol):
    """Virtual time. Callbacks of one instant come in the order in which they were asked for."""

    @property
    def now(self) -> int:
        """Nanoseconds."""
        ...

    def at(self, instant: int, callback: Callable[[], None]) -> None:
        """Call back at an instant."""
        ...


class Trouble(Protocol):
    """Asked about every segment of bytes before it leaves."""

    def befall(self, line: Line) -> int | None:
        """How many nanoseconds late it comes; None when it is lost, and the connection with it."""
        ...


class Line:
    """The wire from `sender` to `target`.

    hosts: of both.   is_lost: the other machine no longer answers, and will not again.
    """

    __slots__ = (
        "_attempt",
        "_clock",
        "_is_resending",
        "_way",
        "hosts",
        "is_lost",
        "link",
        "sender",
        "target",
        "trouble",
    )

    def __init__(
        self,
        clock: Clock,
        link: Link,
        ends: tuple[Stream, Stream],
        hosts: tuple[Host, Host],
        trouble: Trouble | None = None,
    ) -> None:
        self.link = link
        self.sender, self.target = ends
        self.hosts = hosts
        self.trouble = trouble
        self.is_lost = False
        self._clock = clock
        self._way: deque[tuple[int, Segment]] = deque()
        """What is under way, and when it arrives."""
        self._attempt = 0
        self._is_resending = False

    def carry(self, segment: Segment) -> None:
        """Bring a segment to the other end: at once where nothing is in its way."""
        late = 0
        if self.trouble is not None and segment.__class__ is bytes:
            befallen = self.trouble.befall(self)
            if befallen is None:
                return
            late = befallen
        if not late and not self._way and self.link.is_calm and not self.is_lost:
            self.target.deliver(segment)
        elif not self.sender.is_dead or segment is Flag.RST:
            self._send(segment, late)

    def _send(self, segment: Segment, late: int) -> None:
        if (self.link.is_cut or self.is_lost) and segment is Flag.RST:
            return  # nobody sends it again
        is_first = not self._way
        for piece in _pieces(segment) if self.link.bandwidth else (segment,):
            self._way.append((self._arrival(piece, late), piece))
        if is_first and not self._is_resending:
            self._wait()

    def _arrival(self, segment: Segment, late: int) -> int:
        size = len(segment) if isinstance(segment, bytes) else 0
        instant = self.link.arrival(self._clock.now, size) + late
        return max(instant, self._way[-1][0]) if self._way else instant

    def _wait(self) -> None:
        if self.link.is_cut or self.is_lost:
            self._resend_later()
        else:
            self._clock.at(self._way[0][0], self._arrive)

    def _arrive(self) -> None:
        if self.link.is_cut or self.is_lost:
            self._resend_later()
            return
        now, way = self._clock.now, self._way
        while way and way[0][0] <= now:
            self.target.deliver(way.popleft()[1])
        if way:
            self._wait()

    def _resend_later(self) -> None:
        if self._attempt > DATA_RETRIES:
            self._way.clear()
            self._is_resending = False
            self.sender.fail(errno.ETIMEDOUT)
            return
        self._is_resending = True
        self._clock.at(self._clock.now + resend_wait(self._attempt), self._resend)
        self._attempt += 1

    def _resend(self) -> None:
        if self.link.is_cut or self.is_lost:
            self._resend_later()
            return
        self._is_resending = False
        self._attempt = 0
        lost, self._way = self._way, deque()
        for _, segment in lost:
            self._way.append((self._arrival(segment, 0), segment))
        if self._way:
            self._wait()


def _pieces(segment: Segment) -> list[Segment]:
    if not isinstance(segment, bytes):
        return [segment]
    return [segment[start : start + PIECE_BYTES] for start in range(0, len(segment), PIECE_BYTES)]
