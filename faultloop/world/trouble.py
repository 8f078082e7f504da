"""Carrying the network's faults out: what happens to whom when a question is answered with one."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from faultloop.world.faults import LATE, NARROW, PARTED, Questions
from faultloop.world.hosts import Host
from faultloop.world.links import Link
from faultloop.world.stream import Flag
from faultloop.world.wires import Line

if TYPE_CHECKING:
    from faultloop.world.network import Network


class Trouble:
    """Asked at each operation that something could happen to."""

    def __init__(self, network: Network, questions: Questions) -> None:
        self._network = network
        self._questions = questions

    def refuses(self, here: Host, there: Host) -> bool:
        """Whether a connection is refused, whoever listens. A partition may begin here as well."""
        self._befall_link(here, there)
        return self._strikes("net:refuse", here, there)

    def resolves_not(self, name: str) -> bool:
        """Whether a name is not resolved this time."""
        is_struck = self._questions.strikes("net:dns")
        if is_struck:
            self._network.note(f"net:dns {name}")
        return is_struck

    def befall(self, line: Line) -> int | None:
        """What happens to a segment of bytes. Returns how many nanoseconds late it comes; None when it is lost."""
        if self._strikes("net:reset", *line.hosts):
            line.target.deliver(Flag.RST)
            line.sender.fail(errno.ECONNRESET)
            return None
        if self._strikes("net:halfopen", *line.hosts):
            line.is_lost = True
            back = line.target.wire
            assert isinstance(back, Line)
            back.is_lost = True
            return 0
        self._befall_link(*line.hosts)
        return self._late(*line.hosts)

    def befall_datagram(self, here: Host, there: Host) -> tuple[int, ...]:
        """How many nanoseconds late each copy of a datagram comes: no copy, one, or two."""
        self._befall_link(here, there)
        if self._strikes("net:loss", here, there):
            return ()
        late = self._late(here, there)
        if self._strikes("net:reorder", here, there):
            late += LATE[0]  # long enough for those sent after it to pass
        return (late, late) if self._strikes("net:duplicate", here, there) else (late,)

    def _late(self, here: Host, there: Host) -> int:
        return self._questions.one_of(LATE) if self._strikes("net:latency", here, there) else 0

    def _strikes(self, kind: str, here: Host, there: Host) -> bool:
        is_struck = self._questions.strikes(kind)
        if is_struck:
            self._network.note(f"{kind} {here.name} → {there.name}")
        return is_struck

    def _befall_link(self, here: Host, there: Host) -> None:
        if here is there:
            return  # a host does not lose itself
        if self._strikes("net:slow", here, there):
            for link in self._both(here, there):
                link.bandwidth = self._questions.one_of(NARROW)
                link.update()
        if self._strikes("net:partition", here, there):
            self._network.part(here, there)
            self._network.after(self._questions.one_of(PARTED), lambda: self._network.mend(here, there))

    def _both(self, here: Host, there: Host) -> tuple[Link, Link]:
        links = self._network.links
        return links.between(here, there), links.between(there, here)
