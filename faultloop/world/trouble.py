"""Carrying the network's faults out: what happens to whom when a question is answered with one."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from faultloop.drivers.boundary import declare
from faultloop.world.faults import KINDS, LATE, Questions
from faultloop.world.hosts import Host
from faultloop.world.stream import Flag
from faultloop.world.wires import Line

if TYPE_CHECKING:
    from faultloop.world.network import Network


declare(", ".join(KINDS), "controlled", "nothing of the kind, or drawn when asked for", 'faults=["net:reset"]')


class Trouble:
    """Asked at each operation that something could happen to."""

    def __init__(self, network: Network, questions: Questions) -> None:
        self._network = network
        self._questions = questions

    def refuses(self, here: Host, there: Host) -> bool:
        """Whether a connection is refused, whoever listens. A partition may begin here as well."""
        self._befall_link(here, there)
        return self._strike("net:refuse", here, there) is not None

    def resolves_late(self, name: str) -> int:
        """How many nanoseconds late a name is resolved this time, or told to be none."""
        late = self._questions.strike("net:dnslatency")
        if late is not None:
            self._network.note(f"net:dnslatency {name}")
        return late or 0

    def resolves_not(self, name: str) -> bool:
        """Whether a name is not resolved this time."""
        is_struck = self._questions.strike("net:dns") is not None
        if is_struck:
            self._network.note(f"net:dns {name}")
        return is_struck

    def befall(self, line: Line) -> int | None:
        """What happens to a segment of bytes. Returns how many nanoseconds late it comes; None when it is lost."""
        if self._strike("net:reset", *line.hosts) is not None:
            line.target.deliver(Flag.RST)
            line.sender.fail(errno.ECONNRESET)
            return None
        if self._strike("net:halfopen", *line.hosts) is not None:
            line.is_lost = True
            back = line.target.wire
            assert isinstance(back, Line)
            back.is_lost = True
            return 0
        self._befall_link(*line.hosts)
        return self._strike("net:latency", *line.hosts) or 0

    def befall_datagram(self, here: Host, there: Host) -> tuple[int, ...]:
        """How many nanoseconds late each copy of a datagram comes: no copy, one, or two."""
        self._befall_link(here, there)
        if self._strike("net:loss", here, there) is not None:
            return ()
        late = self._strike("net:latency", here, there) or 0
        if self._strike("net:reorder", here, there) is not None:
            late += LATE[0]  # long enough for those sent after it to pass
        return (late,) if self._strike("net:duplicate", here, there) is None else (late, late)

    def _befall_link(self, here: Host, there: Host) -> None:
        if here is there:
            return  # a host does not lose itself
        network = self._network
        if (bandwidth := self._strike("net:slow", here, there)) is not None:
            for link in (network.links.between(here, there), network.links.between(there, here)):
                link.bandwidth = bandwidth
                link.update()
        if (lasting := self._strike("net:partition", here, there)) is not None:
            network.part(here, there)
            network.after(lasting, lambda: network.mend(here, there))

    def _strike(self, kind: str, here: Host, there: Host) -> int | None:
        amount = self._questions.strike(kind)
        if amount is not None:
            self._network.note(f"{kind} {here.name} → {there.name}")
        return amount
