"""Where a network can take the kernel's place beneath the loop. What stands there is `faultloop.world`'s business.

asyncio's own transports, servers and TLS run in any case: they ask the loop to watch a descriptor and call a socket.
Descriptors from FIRST_SIMULATED are the network's; all others are the operating system's, and stay on this machine.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import weakref
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Protocol, cast

from faultloop.drivers import asyncio_threads
from faultloop.drivers.asyncio_boundary import refuse_foreign_host
from faultloop.drivers.asyncio_handles import Callback

if TYPE_CHECKING:
    from contextvars import Context

    from faultloop.drivers.asyncio_loop import Loop

FIRST_SIMULATED = 1 << 30
"""The first descriptor of the simulated network: far above what an operating system gives out."""


class Network(Protocol):
    """What a loop asks of a network."""

    @property
    def candidates(self) -> Collection[int]:
        """The descriptors that may be ready: while it is empty there is nothing to poll. Always the same object."""
        ...

    @property
    def handles(self) -> list[Any]:
        """The handles that wait for descriptors."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether the program has descriptors of this network."""
        ...

    def enter(self) -> None:
        """The loop begins to run."""
        ...

    def leave(self) -> None:
        """The loop stops."""
        ...

    def poll(self) -> None:
        """Queue the handles of what is ready."""
        ...

    def watch(self, fd: int, *, reader: Any = None, writer: Any = None) -> None:
        """Queue a handle whenever the descriptor is ready for it."""
        ...

    def unwatch(self, fd: int, *, is_reader: bool) -> bool:
        """Queue the handle no more. Returns whether there was one."""
        ...

    def simulates(self, host: Any) -> bool:
        """Whether a name or address is this network's to answer for."""
        ...

    def resolve(self, host: Any, port: Any, family: int, type: int, proto: int, flags: int) -> list[Any]:
        """As socket.getaddrinfo."""
        ...

    def decide(self, sock: Any, address: Any) -> None:
        """A socket is about to be connected. Raises EscapeRefused where that would leave the run."""
        ...


class NetworkLoop(asyncio.SelectorEventLoop):
    """The part of the loop that opens connections."""

    network: Network | None
    reaches_out: bool

    @functools.cached_property
    def _transports(self) -> weakref.WeakValueDictionary[int, Any]:
        """asyncio's own table; apart from the selector, which a simulated connection has no need of."""
        return weakref.WeakValueDictionary()

    if TYPE_CHECKING:

        def _at(self, instant: int, callback: Any, args: tuple[Any, ...], context: Any) -> Any: ...

    def at_instant(self, instant: int, callback: Any, context: Context) -> None:
        """Queue a callback for an instant, in nanoseconds."""
        self._at(instant, callback, (), context)

    async def getaddrinfo(self, host: Any, port: Any, **kwargs: Any) -> Any:
        """Resolve a name of this machine or of the network; any other is refused."""
        network = self.network
        if network is None or not network.simulates(host):
            refuse_foreign_host(host)
            return await super().getaddrinfo(host, port, **kwargs)

        def getaddrinfo() -> list[Any]:
            about = {"family": 0, "type": 0, "proto": 0, "flags": 0, **kwargs}
            return network.resolve(host, port, **about)

        return await asyncio_threads.run_inline(cast("Loop", self), getaddrinfo, ())

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect within this machine or the network; anything else is refused."""
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            if self.network is None:
                refuse_foreign_host(address[0])
            else:
                self.network.decide(sock, address)
        await super().sock_connect(sock, address)

    # The private half of asyncio's selector loop: what its transports and servers call.

    def _add_reader(self, fd: Any, callback: Any, *args: Any) -> Any:
        number = self._simulated(fd)
        if not number:
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

    async def _sock_sendfile_native(self, sock: Any, file: Any, offset: int, count: int) -> Any:
        if self._simulated(sock):
            raise asyncio.SendfileNotAvailableError("os.sendfile cannot write to a simulated socket")
        return await cast(Any, super())._sock_sendfile_native(sock, file, offset, count)
