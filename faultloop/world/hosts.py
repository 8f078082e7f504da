"""Who is on the simulated network: hosts, their names and addresses, and which of their ports are taken.

Pure: it decides as Linux does, and knows no socket, only what one shows of itself (`Bound`).
The program's own host is called `localhost`; every host has a loopback of its own.
"""

from __future__ import annotations

import errno
import ipaddress
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final, Protocol

from faultloop.world.stream import failure

OWN: Final = "localhost"
LOOPBACK: Final = ("127.0.0.1", "::1")
WILDCARDS: Final = ("0.0.0.0", "::")
FIRST_EPHEMERAL: Final = 32_768
LAST_PORT: Final = 65_535
_OWN_ADDRESS: Final = "10.0.0.1"
_FIRST_FREE: Final = int(ipaddress.IPv4Address(_OWN_ADDRESS))


class Bound(Protocol):
    """What is asked of a socket that is bound to a port. address: canonical."""

    @property
    def address(self) -> str:
        """Where it is bound."""
        ...

    @property
    def is_dual(self) -> bool:
        """Whether it is an IPv6 socket that takes IPv4 as well."""
        ...

    @property
    def may_share(self) -> tuple[bool, bool]:
        """Whether it has SO_REUSEADDR, and SO_REUSEPORT."""
        ...

    @property
    def is_listening(self) -> bool:
        """Whether it takes connections."""
        ...


class Ports:
    """The ports of one protocol on one host."""

    def __init__(self, *, is_stream: bool) -> None:
        self._bound: defaultdict[int, list[Bound]] = defaultdict(list)
        self._next = FIRST_EPHEMERAL
        self._is_stream = is_stream

    def claim(self, socket: Bound, port: int) -> int:
        """Bind a socket to a port, 0 for one that is free. Returns the port. Raises EADDRINUSE."""
        if port == 0:
            port = self._free_port()
        elif any(self._conflicts(socket, other) for other in self._bound[port]):
            raise failure(errno.EADDRINUSE)
        self._bound[port].append(socket)
        return port

    def share(self, socket: Bound, port: int) -> None:
        """An accepted connection has its listener's port."""
        self._bound[port].append(socket)

    def release(self, socket: Bound, port: int) -> None:
        """The socket is closed."""
        if socket in self._bound[port]:
            self._bound[port].remove(socket)

    def require_free_to_listen(self, socket: Bound, port: int) -> None:
        """Raise EADDRINUSE where another socket listens already; with SO_REUSEPORT they may both."""
        for other in self._bound[port]:
            if other is socket or not other.is_listening or (socket.may_share[1] and other.may_share[1]):
                continue
            if _overlap(socket, other):
                raise failure(errno.EADDRINUSE)

    @property
    def bound(self) -> list[Bound]:
        """Every socket that has a port."""
        return [socket for sockets in self._bound.values() for socket in sockets]

    def at(self, address: str, port: int) -> list[Bound]:
        """The sockets that answer at an address, those that name it before those that take any."""
        found = [socket for socket in self._bound.get(port, ()) if _answers(socket, address)]
        found.sort(key=lambda socket: (socket.address in WILDCARDS, socket.is_dual))
        return found

    def _free_port(self) -> int:
        for _ in range(LAST_PORT - FIRST_EPHEMERAL + 1):
            port = self._next
            self._next = port + 1 if port < LAST_PORT else FIRST_EPHEMERAL
            if not self._bound.get(port):
                return port
        raise failure(errno.EADDRINUSE)

    def _conflicts(self, one: Bound, other: Bound) -> bool:
        if not _overlap(one, other):
            return False
        (address, port), (other_address, other_port) = one.may_share, other.may_share
        if port and other_port:
            return False
        return not (address and other_address) or (self._is_stream and other.is_listening)


def _overlap(one: Bound, other: Bound) -> bool:
    if (":" in one.address) is not (":" in other.address):
        return one.is_dual or other.is_dual
    return one.address == other.address or one.address in WILDCARDS or other.address in WILDCARDS


def _answers(socket: Bound, address: str) -> bool:
    if ":" in address:
        return socket.address in (address, "::")
    return socket.address in (address, "0.0.0.0") or socket.is_dual


@dataclass(eq=False, slots=True)
class Host:
    """A machine on the simulated network. addresses: canonical, not its loopback; never empty."""

    name: str
    addresses: tuple[str, ...]
    is_up: bool = True
    streams: Ports = field(default_factory=lambda: Ports(is_stream=True))
    datagrams: Ports = field(default_factory=lambda: Ports(is_stream=False))

    def answers_to(self, address: str) -> bool:
        """Whether an address is one of this host's, its loopback included."""
        return address in self.addresses or is_loopback(address)

    def source_for(self, address: str) -> str:
        """The address from which this host speaks to another address."""
        if self.answers_to(address):
            return address
        is_six = ":" in address
        for own in self.addresses:
            if (":" in own) is is_six:
                return own
        raise failure(errno.ENETUNREACH)


class Hosts:
    """The host table. Names are compared without case; addresses that are not given are counted up from 10.0.0.1."""

    def __init__(self) -> None:
        self.own = Host(OWN, (_OWN_ADDRESS,))  # made plainly: every run has one, few look at it
        self._by_name: dict[str, Host] = {OWN: self.own}
        self._by_address: dict[str, Host] = {_OWN_ADDRESS: self.own}
        self._next = _FIRST_FREE

    def add(self, name: str, *addresses: str) -> Host:
        """Name a host; one that is known gets further addresses. Raises ValueError for what is no address."""
        wanted = [canonical(address) for address in addresses]
        host = self._by_name.get(name.lower())
        if host is None:
            if not wanted:
                wanted.append(self._free_address())
            host = self._by_name[name.lower()] = Host(name, ())
        for address in wanted:
            taken = self._by_address.setdefault(address, host)
            if taken is not host:
                raise ValueError(f"{address} is the address of {taken.name} already")
            if address not in host.addresses:
                host.addresses = (*host.addresses, address)
        return host

    def named(self, name: str) -> Host | None:
        """The host of this name or address."""
        return self._by_name.get(name.lower()) or self._by_address.get(name)

    def at(self, address: str, seen_from: Host) -> Host | None:
        """The host at a canonical address; loopback is whoever asks."""
        return seen_from if is_loopback(address) else self._by_address.get(address)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order in which they were made known, without the program's own."""
        return tuple(host.name for host in self._by_name.values() if host is not self.own)

    @property
    def all(self) -> tuple[Host, ...]:
        """All hosts, in the order in which they were made known."""
        return tuple(self._by_name.values())

    def _free_address(self) -> str:
        while (address := str(ipaddress.IPv4Address(self._next))) in self._by_address:
            self._next += 1
        return address


def canonical(address: str) -> str:
    """An address in its one spelling; IPv4 in IPv6's clothes becomes IPv4. Raises ValueError for what is none."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(parsed)


def is_loopback(address: str) -> bool:
    """Whether a canonical address is some host's own loopback."""
    return address == "::1" or address.startswith("127.")
