"""What stands behind a simulated descriptor: the part that streams and datagrams have in common.

A description is the kernel's side of a socket. It raises what the kernel raises, and knows who waits for it.
"""

from __future__ import annotations

import errno
import socket as real
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from faultloop.world.hosts import WILDCARDS, Host, Ports, canonical
from faultloop.world.stream import RECEIVE_BYTES, SEND_BYTES, failure

if TYPE_CHECKING:
    from faultloop.drivers.ready import Entry
    from faultloop.world.network import Network


class Condition(NamedTuple):
    """What a kernel tells whoever polls a socket: each as one of poll's events."""

    is_readable: bool
    is_writable: bool
    has_error: bool
    is_hung_up: bool
    has_ended: bool
    """Whether nothing more can come."""


Bytes = bytes | bytearray | memoryview
Address = tuple[Any, ...]
"""As the socket module has it: (host, port), and two numbers more for IPv6."""


def _closed(_: object) -> Any:
    raise failure(errno.EBADF)


class Description:
    """A simulated socket as its kernel sees it. address, port: where it is bound; empty and 0 before.

    reader, writer: what is queued when it is readable or writable; None when nobody waits.
    """

    kind: int

    def __init__(self, network: Network, host: Host, family: int, proto: int = 0) -> None:
        self.network = network
        self.host = host
        self.family = family
        self.proto = proto
        self.fd = -1
        self.address = ""
        self.port = 0
        self.is_listening = False
        self.is_closed = False
        self.reader: Entry | None = None
        self.writer: Entry | None = None
        self.send: Callable[[Bytes], int]
        """Accept bytes for the peer. Returns how many. An attribute: it changes with the state of the socket."""
        self.receive: Callable[[int], bytes]
        """Up to so many bytes from the peer."""
        self.can_read: Callable[[], bool]
        """Whether somebody who waits to read is to be told."""
        self.can_write: Callable[[], bool]
        """Whether somebody who waits to write is to be told."""
        self.options: dict[tuple[int, int], int] = {}
        self.linger: bytes | None = None

    # What others ask of it

    @property
    def ports(self) -> Ports:
        """The ports among which this socket has one."""
        return self.host.streams if self.kind == real.SOCK_STREAM else self.host.datagrams

    @property
    def is_dual(self) -> bool:
        """Whether it is an IPv6 socket that takes IPv4 as well."""
        only_six = self.options.get((real.IPPROTO_IPV6, real.IPV6_V6ONLY), 0)
        return self.family == real.AF_INET6 and self.address == "::" and not only_six

    @property
    def may_share(self) -> tuple[bool, bool]:
        """Whether it has SO_REUSEADDR, and SO_REUSEPORT."""
        ports = self.options.get((real.SOL_SOCKET, getattr(real, "SO_REUSEPORT", -1)), 0)
        return bool(self.options.get((real.SOL_SOCKET, real.SO_REUSEADDR), 0)), bool(ports)

    @abstractmethod
    def receive_from(self, limit: int, *, peek: bool = False) -> tuple[bytes, Address | None]:
        """As receive, and who sent it; None for a stream. peek: leave it there."""

    @abstractmethod
    def condition(self) -> Condition:
        """What polling it says."""

    def close(self) -> None:
        """The program lets go of it."""
        self.is_closed = True
        self.send = self.receive = _closed
        self.reader = self.writer = None
        self.release()

    def changed(self) -> None:
        """Have whoever waits looked after at the next turn."""
        if self.reader is not None or self.writer is not None:
            self.network.candidates[self.fd] = self

    # Names

    def bind(self, address: Address) -> None:
        """Take a port. Raises EADDRINUSE, EINVAL when it has one, EADDRNOTAVAIL for another host's address."""
        if self.port:
            raise failure(errno.EINVAL)
        name, port = self._parse(address, passive=True)
        host = self.network.host_to_bind(name, self.host)
        self.host, self.address = host, name
        try:
            self.port = self.ports.claim(self, port)
        except OSError:
            self.address = ""
            raise

    def bind_to_any(self, address: str = "") -> None:
        """Take a free port, as the kernel does for whoever has none."""
        if not self.port:
            self.address = address or WILDCARDS[self.family == real.AF_INET6]
            self.port = self.ports.claim(self, 0)
        elif self.address in WILDCARDS and address:
            self.address = address

    def name(self) -> Address:
        """Its own address, as getsockname has it."""
        return self.shown(self.address or WILDCARDS[self.family == real.AF_INET6], self.port)

    def shown(self, address: str, port: int) -> Address:
        """An address in the form of this socket's family."""
        if self.family == real.AF_INET6:
            return ("::ffff:" + address if ":" not in address else address, port, 0, 0)
        return (address, port)

    def _parse(self, address: Address, *, passive: bool = False) -> tuple[str, int]:
        """A canonical address and a port. Names are resolved, as the kernel's caller does. Raises OSError."""
        host, port = address[:2]
        if not isinstance(port, int):
            raise TypeError(f"an integer is required as port, not {type(port).__name__}")
        if not 0 <= port <= 65_535:
            raise OverflowError("port must be 0-65535.")
        if host in ("", None):
            return WILDCARDS[self.family == real.AF_INET6], port
        try:
            name = canonical(str(host))
        except ValueError:
            name = self.network.resolve(str(host), port, self.family, self.kind)[0][4][0]
        is_six = ":" in name
        if self.family == real.AF_INET and is_six:
            raise failure(errno.EAFNOSUPPORT)
        if not passive and name in WILDCARDS:
            name = "::1" if is_six else "127.0.0.1"  # to connect to any address is to connect to oneself
        return name, port

    def release(self) -> None:
        """Give the port back."""
        if self.port:
            self.ports.release(self, self.port)

    # Options

    def set_option(self, level: int, option: int, value: int | bytes) -> None:
        """Remember an option; some are acted upon."""
        if isinstance(value, bytes):
            if (level, option) == (real.SOL_SOCKET, real.SO_LINGER):
                self.linger = value
            return
        if level == real.SOL_SOCKET and option in (real.SO_SNDBUF, real.SO_RCVBUF):
            value = max(2 * value, 4_608 if option == real.SO_SNDBUF else 2_304)  # Linux keeps its books in there
        self.options[level, option] = value

    def option(self, level: int, option: int) -> int:
        """An option's value; what nobody set is 0."""
        if level == real.SOL_SOCKET:
            match option:
                case real.SO_ERROR:
                    return self.take_error()
                case real.SO_TYPE:
                    return self.kind
                case real.SO_ACCEPTCONN:
                    return int(self.is_listening)
                case real.SO_SNDBUF:
                    return self.options.get((level, option), SEND_BYTES)
                case real.SO_RCVBUF:
                    return self.options.get((level, option), RECEIVE_BYTES)
                case _ if option == getattr(real, "SO_DOMAIN", -1):
                    return self.family
                case _:
                    pass
        return self.options.get((level, option), 0)

    @abstractmethod
    def take_error(self) -> int:
        """The pending error, once."""
