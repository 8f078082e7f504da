"""Simulated UDP sockets: each datagram comes whole, or not at all, or late, or twice."""

from __future__ import annotations

import errno
import socket as real
from collections import deque
from typing import TYPE_CHECKING, Final

from faultloop.world.descriptions import Address, Bytes, Condition, Description
from faultloop.world.hosts import WILDCARDS, Host, is_loopback
from faultloop.world.stream import failure

if TYPE_CHECKING:
    from faultloop.world.network import Network

DATAGRAM_BYTES_MAX: Final = 65_507
QUEUE_BYTES: Final = 212_992
"""How much waits for a reader before Linux drops what comes."""


class DatagramSocket(Description):
    """A UDP socket. peer: the only one it speaks with, when it is connected."""

    kind = real.SOCK_DGRAM

    def __init__(self, network: Network, host: Host, family: int, proto: int = 0) -> None:
        super().__init__(network, host, family, proto)
        self.peer: tuple[str, int] | None = None
        self.error = 0
        self.incoming: deque[tuple[bytes, str, int]] = deque()
        self.waiting_bytes = 0
        self.send = self._send_to_peer
        self.receive = self._receive
        self.can_read = self._has_news
        self.can_write = _always

    def _has_news(self) -> bool:
        return bool(self.incoming) or self.error != 0

    def condition(self) -> Condition:
        """What polling it says."""
        has_error = self.error != 0
        return Condition(bool(self.incoming), is_writable=True, has_error=has_error, is_hung_up=False, has_ended=False)

    def take_error(self) -> int:
        """The pending error, once."""
        error, self.error = self.error, 0
        return error

    def connect(self, address: Address) -> None:
        """Speak with one peer only, and hear when nobody is there."""
        name, port = self._parse(address)
        self.network.host_to_reach(name, self.host)
        self.bind_to_any(self.host.source_for(name))
        self.peer = (name, port)

    def _send_to_peer(self, data: Bytes) -> int:
        if self.error:
            raise failure(self.take_error())
        if self.peer is None:
            raise failure(errno.EDESTADDRREQ)
        return self._send(bytes(data), *self.peer)

    def send_to(self, data: Bytes, address: Address) -> int:
        """Send to an address."""
        if self.error:
            raise failure(self.take_error())
        return self._send(bytes(data), *self._parse(address))

    def _send(self, data: bytes, name: str, port: int) -> int:
        if len(data) > DATAGRAM_BYTES_MAX:
            raise failure(errno.EMSGSIZE)
        network = self.network
        there = network.host_to_reach(name, self.host)
        self.bind_to_any()
        source = self.host.source_for(name) if self.address in WILDCARDS else self.address
        link = network.links.between(self.host, there)
        lates: tuple[int, ...] = (0,)
        if network.trouble is not None and not (is_loopback(name) and not network.is_loopback_simulated):
            lates = network.trouble.befall_datagram(self.host, there)
        if link.is_cut or not there.is_up:
            return len(data)
        wait = link.arrival(network.now, len(data)) - network.now
        origin = (source, self.port)
        for late in lates:
            network.after(wait + late, lambda: self._arrive(there, name, port, data, origin))
        return len(data)

    def _arrive(self, there: Host, name: str, port: int, data: bytes, origin: tuple[str, int]) -> None:
        for socket in there.datagrams.at(name, port):
            if isinstance(socket, DatagramSocket) and socket.peer in (None, origin):
                socket.take(data, origin)
                return
        if self.peer == (name, port) and not self.is_closed:
            self.error = errno.ECONNREFUSED  # ICMP says so, and only a connected socket hears it
            self.changed()

    def take(self, data: bytes, origin: tuple[str, int]) -> None:
        """A datagram has come."""
        if self.waiting_bytes + len(data) > QUEUE_BYTES:
            return
        self.waiting_bytes += len(data)
        self.incoming.append((data, *origin))
        self.changed()

    def _receive(self, limit: int) -> bytes:
        return self.receive_from(limit)[0]

    def receive_from(self, limit: int, *, peek: bool = False) -> tuple[bytes, Address | None]:
        """The oldest datagram, cut to `limit`, and who sent it. Raises BlockingIOError."""
        if self.error:
            raise failure(self.take_error())
        if not self.incoming:
            raise failure(errno.EAGAIN)
        data, address, port = self.incoming[0]
        if not peek:
            self.incoming.popleft()
            self.waiting_bytes -= len(data)
        return data[:limit], self.shown(address, port)

    def listen(self, backlog: int) -> None:
        """Datagrams have no connections."""
        raise failure(errno.EOPNOTSUPP)

    def accept(self) -> tuple[DatagramSocket, Address]:
        """Datagrams have no connections."""
        raise failure(errno.EOPNOTSUPP)

    def shutdown(self, how: int) -> None:
        """Only a connected one has something to end."""
        if self.peer is None:
            raise failure(errno.ENOTCONN)

    def peer_name(self) -> Address:
        """The peer's address. Raises ENOTCONN."""
        if self.peer is None:
            raise failure(errno.ENOTCONN)
        return self.shown(*self.peer)

    def close(self) -> None:
        """Let go of it."""
        super().close()
        self.incoming.clear()

    def vanish(self) -> None:
        """The machine is gone."""
        self.release()
        self.incoming.clear()


def _always() -> bool:
    """What is sent is gone."""
    return True
