"""What `socket.socket` names while a run with a simulated network lasts: a socket of our kernel, or of the real one.

A real subclass, so that whoever asks `isinstance` is told the truth. Where loopback is real, a new socket is undecided
until it is bound or connected: only its address says which kernel it belongs to.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# The class beneath is taken before anybody lends its name, so no checker knows it.

from __future__ import annotations

import errno
import socket as real
from typing import Any, cast

from faultloop.drivers.asyncio.boundary import refuse_foreign_host
from faultloop.world.datagrams import DatagramSocket
from faultloop.world.refusals import not_the_systems, would_wait
from faultloop.world.running import running_network
from faultloop.world.stream import failure
from faultloop.world.streams import StreamSocket
from faultloop.world.undecided import Undecided

RealSocket: Any = real.socket
End = StreamSocket | DatagramSocket
_INTERNET = (real.AF_INET, real.AF_INET6)
_KINDS = (real.SOCK_STREAM, real.SOCK_DGRAM)
_PEEK = int(real.MSG_PEEK)


class _AnySocket(type):
    """Sockets made before the run, and those that the C code makes, are sockets as well."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, RealSocket)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, RealSocket)


class Socket(RealSocket, metaclass=_AnySocket):  # type: ignore[misc]
    """A socket of the run. `end`: its simulated kernel's side; None for a real one, and for one that is undecided."""

    __slots__ = ("_patience", "_undecided", "end")

    end: End | None
    _undecided: Undecided | None
    _patience: float | None
    """Its timeout in seconds, None to block; a real socket keeps its own."""

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        self.end = self._undecided = None
        self._patience = real.getdefaulttimeout()
        network = running_network() if fileno is None else None
        family = real.AF_INET if family == -1 else int(family)
        kind = real.SOCK_STREAM if type == -1 else int(type)
        flags = getattr(real, "SOCK_NONBLOCK", 0) | getattr(real, "SOCK_CLOEXEC", 0)
        if network is None or family not in _INTERNET or kind & ~flags not in _KINDS:
            super().__init__(family if fileno is None else -1, kind if fileno is None else type, proto, fileno)
            return
        cast(Any, self)._io_refs, cast(Any, self)._closed = 0, False
        if kind & getattr(real, "SOCK_NONBLOCK", 0):
            self._patience = 0.0
        undecided = Undecided(network, family, kind & ~flags, max(proto, 0))
        if network.decides_at_once():
            self._simulate(undecided)
        else:
            self._undecided = undecided

    @classmethod
    def around(cls, end: End) -> Socket:
        """A socket for a connection that was accepted."""
        socket: Socket = cls.__new__(cls)
        socket.end, socket._undecided = end, None
        cast(Any, socket)._io_refs, cast(Any, socket)._closed = 0, False
        socket._patience = real.getdefaulttimeout()
        return socket

    def __del__(self) -> None:
        """Who lets go of a socket closes it, as far as the other side can see."""
        end = getattr(self, "end", None)
        network = running_network()
        if end is not None and network is not None and network is end.network:
            network.close_descriptor(end)

    def _simulate(self, undecided: Undecided) -> End:
        self.end = end = undecided.network.describe(undecided.family, undecided.kind, undecided.proto)
        self._undecided = None
        for option in undecided.options:
            end.set_option(*option)
        return end

    def decide(self, address: Any) -> None:
        """Become real or simulated, by the address it is to be bound or connected to. Raises EscapeRefused (FL301)."""
        undecided = self._undecided
        if undecided is None:
            return
        if undecided.network.simulates(address[0]):
            self._simulate(undecided)
        else:
            self._settle()

    def _settle(self) -> None:
        """Become real, if nothing has decided yet."""
        if (undecided := self._undecided) is None:
            return
        self._undecided = None
        super().__init__(undecided.family, undecided.kind, undecided.proto)
        super().settimeout(self._patience)
        for option in undecided.options:
            super().setsockopt(*option)

    def _real(self, name: str, *args: Any) -> Any:
        """What the real socket does."""
        self._settle()
        return getattr(super(), name)(*args)

    def _would_block(self, what: str) -> Exception:
        return failure(errno.EAGAIN) if self._patience == 0 else would_wait(what)

    # Names and addresses

    @property
    def family(self) -> Any:
        """The address family."""
        about = self.end or self._undecided
        return real.AddressFamily(about.family) if about is not None else super().family

    @property
    def type(self) -> Any:
        """The kind of socket."""
        about = self.end or self._undecided
        return real.SocketKind(about.kind) if about is not None else super().type

    @property
    def proto(self) -> Any:
        """The protocol's number, as it was given."""
        about = self.end or self._undecided
        return about.proto if about is not None else super().proto

    @property
    def timeout(self) -> Any:
        """Seconds, None to block."""
        return self.gettimeout()

    def fileno(self) -> Any:
        """Its descriptor; far above any real one where it is simulated."""
        return self.end.fd if self.end is not None else self._real("fileno")

    def getsockname(self) -> Any:
        """Its own address."""
        return self._open_end().name() if self.end is not None else self._real("getsockname")

    def getpeername(self) -> Any:
        """The other side's address."""
        return self._open_end().peer_name() if self.end is not None else self._real("getpeername")

    def _open_end(self) -> End:
        assert self.end is not None
        if self.end.is_closed:
            raise failure(errno.EBADF)
        return self.end

    # Options

    def setblocking(self, flag: bool) -> None:
        """Whether calls wait."""
        self.settimeout(None if flag else 0.0)

    def settimeout(self, value: float | None) -> None:
        """How long calls wait."""
        self._patience = value
        if self.end is None and self._undecided is None:
            super().settimeout(value)

    def gettimeout(self) -> Any:
        """How long calls wait."""
        return self._patience if self.end is not None or self._undecided is not None else super().gettimeout()

    def getblocking(self) -> Any:
        """Whether calls wait."""
        return self.gettimeout() != 0

    def setsockopt(self, level: int, option: int, *value: Any) -> None:
        """Set an option."""
        if self.end is not None:
            self._open_end().set_option(level, option, value[0] if value[0] is not None else b"")
        elif self._undecided is not None and len(value) == 1:
            self._undecided.options.append((level, option, value[0]))
        else:
            self._real("setsockopt", level, option, *value)

    def getsockopt(self, level: int, option: int, *size: int) -> Any:
        """An option's value."""
        if self.end is None:
            return self._real("getsockopt", level, option, *size)
        end = self._open_end()
        if not size:
            return end.option(level, option)
        if (level, option) == (real.SOL_SOCKET, real.SO_LINGER):
            return (end.linger or bytes(8))[: size[0]]
        return end.option(level, option).to_bytes(4, "little")[: size[0]]

    def set_inheritable(self, inheritable: bool) -> None:
        """Nobody inherits a simulated one."""
        if self.end is None:
            self._real("set_inheritable", inheritable)

    def get_inheritable(self) -> Any:
        """Nobody inherits a simulated one."""
        return False if self.end is not None else self._real("get_inheritable")

    # Connections

    def bind(self, address: Any) -> None:
        """Take an address."""
        self.decide(address)
        if self.end is not None:
            self._open_end().bind(address)
        else:
            super().bind(address)

    def connect(self, address: Any) -> None:
        """Connect; a blocking socket must find its answer at once."""
        self.decide(address)
        if self.end is None:
            self._refuse_foreign(address)
            super().connect(address)
            return
        end = self._open_end()
        try:
            end.connect(address)
        except BlockingIOError as error:
            if self._patience == 0 or error.errno != errno.EINPROGRESS or not isinstance(end, StreamSocket):
                raise
            if end.is_connecting:
                raise self._would_block("connect") from None
            if number := end.take_error():
                raise failure(number) from None

    def connect_ex(self, address: Any) -> int:
        """Connect. Returns an errno, 0 for done."""
        try:
            self.connect(address)
        except OSError as error:
            return error.errno or errno.EINVAL
        return 0

    def _refuse_foreign(self, address: Any) -> None:
        if running_network() is not None and super().family in _INTERNET:
            refuse_foreign_host(address[0])

    def listen(self, backlog: int = 128) -> None:
        """Take connections."""
        if self.end is not None:
            self._open_end().listen(backlog)
        else:
            self._real("listen", backlog)

    def accept(self) -> Any:
        """A connection and who made it."""
        if self.end is None:
            return self._real("accept")
        try:
            child, address = self._open_end().accept()
        except BlockingIOError:
            raise self._would_block("accept") from None
        return Socket.around(child), address

    def shutdown(self, how: int) -> None:
        """End sending, reading or both."""
        if self.end is not None:
            self._open_end().shutdown(how)
        else:
            self._real("shutdown", how)

    def _real_close(self, *args: Any, **kwargs: Any) -> None:
        self._undecided = None
        if self.end is not None:
            self.end.network.close_descriptor(self.end)
        else:
            super()._real_close(*args, **kwargs)

    def detach(self) -> Any:
        """Let go of the descriptor without closing it; a simulated one is of no use to anybody else."""
        if self.end is None:
            return self._real("detach")
        raise not_the_systems("detach")

    def dup(self) -> Any:
        """Another socket for the same descriptor; not of a simulated one."""
        if self.end is None:
            self._settle()
            return RealSocket.dup(self)
        raise not_the_systems("dup")

    # Bytes

    def send(self, data: Any, flags: int = 0) -> Any:
        """Send what there is room for."""
        end = self.end
        if end is None:
            return self._real("send", data, flags)
        try:
            return end.send(data)
        except BlockingIOError:
            raise self._would_block("send") from None

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it."""
        if self.end is None:
            self._real("sendall", data, flags)
            return
        view = memoryview(data).cast("B")
        while view:
            view = view[self.send(view) :]

    def sendmsg(self, buffers: Any, *more: Any) -> Any:
        """Send buffers as one; without ancillary data where it is simulated."""
        if self.end is None:
            return self._real("sendmsg", buffers, *more)
        joined = b"".join(buffers)
        return self.sendto(joined, more[2]) if len(more) > 2 and more[2] is not None else self.send(joined)

    def sendto(self, data: Any, *flags_and_address: Any) -> Any:
        """Send to an address."""
        address = flags_and_address[-1]
        self.decide(address)
        if self.end is None:
            self._refuse_foreign(address)
            return super().sendto(data, *flags_and_address)
        return self._open_end().send_to(data, address)

    def recv(self, size: int, flags: int = 0) -> Any:
        """Up to `size` bytes."""
        end = self.end
        if end is None:
            return self._real("recv", size, flags)
        if flags or size <= 0:
            return self.recvfrom(_wanted(size), flags)[0] if size else b""  # Python asks no kernel for nothing
        try:
            return end.receive(size)
        except BlockingIOError:
            raise self._would_block("recv") from None

    def recvfrom(self, size: int, flags: int = 0) -> Any:
        """Up to `size` bytes, and who sent them."""
        if self.end is None:
            return self._real("recvfrom", size, flags)
        try:
            return self._open_end().receive_from(_wanted(size), peek=bool(flags & _PEEK))
        except BlockingIOError:
            raise self._would_block("recv") from None

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> Any:
        """Fill a buffer."""
        if self.end is None:
            return self._real("recv_into", buffer, size, flags)
        return self.recvfrom_into(buffer, size, flags)[0] if memoryview(buffer).nbytes else 0

    def recvfrom_into(self, buffer: Any, size: int = 0, flags: int = 0) -> Any:
        """Fill a buffer, and say who sent it."""
        if self.end is None:
            return self._real("recvfrom_into", buffer, size, flags)
        view = memoryview(buffer).cast("B")
        if size > len(view):
            raise ValueError("nbytes is greater than the length of the buffer")
        data, address = self.recvfrom(size or len(view), flags)
        view[: len(data)] = data
        return len(data), address

    def recvmsg(self, size: int, ancillary: int = 0, flags: int = 0) -> Any:
        """Up to `size` bytes; never ancillary data where it is simulated."""
        if self.end is None:
            return self._real("recvmsg", size, ancillary, flags)
        data, address = self.recvfrom(size, flags)
        return data, [], 0, address

    def recvmsg_into(self, buffers: Any, ancillary: int = 0, flags: int = 0) -> Any:
        """Fill buffers, one after the other."""
        if self.end is None:
            return self._real("recvmsg_into", buffers, ancillary, flags)
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        data, address = self.recvfrom(sum(map(len, views)), flags)
        left = memoryview(data)
        for view in views:
            part, left = left[: len(view)], left[len(view) :]
            view[: len(part)] = part
        return len(data), [], 0, address


def _wanted(size: int) -> int:
    if size < 0:
        raise ValueError("negative buffersize in recv")
    return size
