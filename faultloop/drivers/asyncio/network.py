"""Where a network can take the kernel's place beneath the loop. What stands there is `faultloop.world`'s business.

asyncio's own transports, servers and TLS run in any case: they ask the loop to watch a descriptor and call a socket.
Descriptors from FIRST_SIMULATED are the network's; all others are the operating system's, and stay on this machine.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import weakref
from asyncio import selector_events, sslproto
from typing import TYPE_CHECKING, Any, cast

from faultloop.drivers.asyncio import threads
from faultloop.drivers.asyncio.boundary import refuse_foreign_host
from faultloop.drivers.asyncio.handles import Callback, set_timer
from faultloop.drivers.asyncio.nodes import Transports
from faultloop.drivers.network import FIRST_SIMULATED, Network

if TYPE_CHECKING:
    from contextvars import Context

    from faultloop.drivers.asyncio.loop import Loop

_SocketTransport: Any = cast(Any, selector_events)._SelectorSocketTransport


class _Asking(_SocketTransport):  # type: ignore[misc]  # a private class of asyncio
    """asyncio's own transport, which says when it sends."""

    def write(self, data: Any) -> None:
        """Send, and say so."""
        _asked(self._loop)
        super().write(data)  # pyright: ignore[reportUnknownMemberType]

    def writelines(self, list_of_data: Any) -> None:
        """Send, and say so."""
        _asked(self._loop)
        super().writelines(list_of_data)  # pyright: ignore[reportUnknownMemberType]


def _asked(loop: Any) -> None:
    if loop is not None:  # as it is once the connection is lost; asyncio lets a program write all the same
        loop.network.asked()


class NetworkLoop(asyncio.SelectorEventLoop):
    """The part of the loop that opens connections."""

    network: Network | None
    reaches_out: bool

    @functools.cached_property
    def _transports(self) -> weakref.WeakValueDictionary[int, Any]:
        """asyncio's own table; apart from the selector, which a simulated connection has no need of."""
        return Transports()

    def at_instant(self, instant: int, callback: Any, context: Context) -> None:
        """Queue a callback for an instant, in nanoseconds."""
        set_timer(cast("Loop", self), instant, callback, (), context)

    def note(self, text: str, *, own: bool = False) -> None:
        """Something befell the run that no task did, or its program says (`own`); a recorded run keeps it."""

    async def getaddrinfo(self, host: Any, port: Any, **kwargs: Any) -> Any:
        """Resolve a name of this machine or of the network; any other is refused."""
        network = self.network
        if network is None or not network.simulates(host):
            refuse_foreign_host(host)
            return await super().getaddrinfo(host, port, **kwargs)

        def getaddrinfo() -> list[Any]:
            about = {"family": 0, "type": 0, "proto": 0, "flags": 0, **kwargs}
            return network.resolve(host, port, **about)

        return await threads.run_inline(cast("Loop", self), getaddrinfo, ())

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect within this machine or the network; anything else is refused."""
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            if self.network is None:
                refuse_foreign_host(address[0])
            else:
                self.network.decide(sock, address)
                self.network.asked()
        await super().sock_connect(sock, address)

    async def sock_sendall(self, sock: socket.socket, data: Any) -> None:
        """Send all of it."""
        if self.network is not None:
            self.network.asked()
        await super().sock_sendall(sock, data)

    # The private half of asyncio's selector loop: what its transports and servers call.

    def _add_reader(self, fd: Any, callback: Any, *args: Any) -> Any:
        number = self._simulated(fd)
        if not number:
            if self.network is not None:
                self.network.asked()
            return cast(Any, super())._add_reader(fd, callback, *args)
        handle = Callback(callback, args, cast("Loop", self))
        cast(Network, self.network).watch(number, reader=handle)
        return handle

    def _remove_reader(self, fd: Any) -> bool:
        number = self._simulated(fd)
        if not number:
            return cast(bool, cast(Any, super())._remove_reader(fd))
        return cast(Network, self.network).unwatch(number, is_reader=True)

    def _add_writer(self, fd: Any, callback: Any, *args: Any) -> Any:
        number = self._simulated(fd)
        if not number:
            if self.network is not None:
                self.network.asked()
            return cast(Any, super())._add_writer(fd, callback, *args)
        handle = Callback(callback, args, cast("Loop", self))
        cast(Network, self.network).watch(number, writer=handle)
        return handle

    def _remove_writer(self, fd: Any) -> bool:
        number = self._simulated(fd)
        if not number:
            return cast(bool, cast(Any, super())._remove_writer(fd))
        return cast(Network, self.network).unwatch(number, is_reader=False)

    def _simulated(self, fd: Any) -> int:
        """The descriptor, if it is the network's; 0 if not."""
        if self.network is None:
            return 0
        number = fd if isinstance(fd, int) else fd.fileno()
        return number if number >= FIRST_SIMULATED else 0

    def _make_socket_transport(self, sock: Any, protocol: Any, waiter: Any = None, **about: Any) -> Any:
        make = _SocketTransport if self.network is None or self._simulated(sock) else _Asking
        return make(self, sock, protocol, waiter, about.get("extra"), about.get("server"))

    def _make_ssl_transport(
        self, rawsock: Any, protocol: Any, sslcontext: Any, waiter: Any = None, **about: Any
    ) -> Any:
        if self.network is None or self._simulated(rawsock):
            return cast(Any, super())._make_ssl_transport(rawsock, protocol, sslcontext, waiter, **about)
        extra, server = about.pop("extra", None), about.pop("server", None)
        secure: Any = sslproto.SSLProtocol(cast(Any, self), protocol, sslcontext, waiter, **about)
        _Asking(self, rawsock, secure, extra=extra, server=server)
        return secure._app_transport

    def has_input(self, seconds: float) -> bool:
        """Whether a real descriptor is ready, or becomes so within `seconds` of real time. Nothing is queued."""
        return bool(cast("Loop", self)._selector.select(seconds))

    async def _sock_sendfile_native(self, sock: Any, file: Any, offset: int, count: int) -> Any:
        if self._simulated(sock):
            raise asyncio.SendfileNotAvailableError("os.sendfile cannot write to a simulated socket")
        return await cast(Any, super())._sock_sendfile_native(sock, file, offset, count)
