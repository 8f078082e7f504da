"""Simulated TCP sockets: bind, listen, connect, accept, and what a stream does once there is a connection."""

from __future__ import annotations

import errno
import socket as real
from collections import deque
from typing import TYPE_CHECKING

from faultloop.world.descriptions import Address, Bytes, Condition, Description
from faultloop.world.hosts import WILDCARDS, Host
from faultloop.world.links import SYN_RETRIES, Link, syn_wait
from faultloop.world.stream import Stream, connect_ends, failure
from faultloop.world.wires import Line

if TYPE_CHECKING:
    from faultloop.world.network import Network

_AT_ONCE = b"\1\0\0\0" + bytes(4)
"""SO_LINGER of no time at all: closing resets."""
BACKLOG_MAX = 4_096
"""What Linux cuts a longer backlog down to (net.core.somaxconn)."""


class StreamSocket(Description):
    """A TCP socket. stream: its end of the connection; None before there is one."""

    kind = real.SOCK_STREAM

    def __init__(self, network: Network, host: Host, family: int, proto: int = 0) -> None:
        super().__init__(network, host, family, proto)
        self._use_none()
        self.peer: tuple[str, int] | None = None
        self.error = 0
        self.is_connecting = False
        self.is_news = False
        """Whether nobody has asked yet how connecting ended: Linux says so to one more connect."""
        self._has_address = False
        """Whether the program named the address it connects from."""
        self.backlog = 0
        self.waiting: deque[StreamSocket] = deque()
        """Connections that are made and not accepted."""

    # Readiness; that of a connection is its stream's

    def _may_accept_or_has_failed(self) -> bool:
        return bool(self.waiting) if self.is_listening else not self.is_connecting

    def _has_failed(self) -> bool:
        """A socket that was never connected is hung up, too."""
        return not self.is_listening and not self.is_connecting

    def condition(self) -> Condition:
        """What polling it says."""
        stream = self.stream
        if stream is not None:
            has_ended = stream.has_ended or stream.is_deaf or stream.is_dead
            is_over = stream.is_dead or (stream.is_shut and has_ended)
            return Condition(stream.can_read(), stream.can_write(), stream.error != 0, is_over, has_ended)
        if self.is_listening or self.is_connecting:
            return Condition(bool(self.waiting), False, False, False, False)
        has_failed = self.is_news
        return Condition(has_failed, True, self.error != 0, True, has_failed)

    def take_error(self) -> int:
        """The pending error, once."""
        if self.stream is not None:
            return self.stream.take_error()
        error, self.error = self.error, 0
        return error

    # Making connections

    def listen(self, backlog: int) -> None:
        """Take connections, at most backlog + 1 that nobody has accepted."""
        if self.stream is not None or self.is_connecting or self.is_news:
            raise failure(errno.EINVAL)
        self.bind_to_any()
        self.ports.require_free_to_listen(self, self.port)
        self.is_listening = True
        self.backlog = min(max(backlog, 0), BACKLOG_MAX)

    def accept(self) -> tuple[StreamSocket, Address]:
        """The oldest connection that nobody has accepted. Raises BlockingIOError."""
        if not self.is_listening:
            raise failure(errno.EINVAL)
        if not self.waiting:
            raise failure(errno.EAGAIN)
        child = self.waiting.popleft()
        self.network.give_descriptor(child)
        assert child.peer is not None
        return child, child.shown(*child.peer)

    def connect(self, address: Address) -> None:
        """Begin to connect: the answer comes as an event, as Linux does it even where it is there at once."""
        if self.is_news:
            self._tell_news()
            return
        if self.is_listening or self.stream is not None:
            raise failure(errno.EISCONN)
        if self.is_connecting:
            raise failure(errno.EALREADY)
        name, port = self._parse(address)
        there = self.network.host_to_reach(name, self.host)
        self._has_address = self.address not in ("", *WILDCARDS)
        self.bind_to_any(self.host.source_for(name))
        self.is_connecting = True
        self.peer = (name, port)
        self._knock(there, 0)
        raise failure(errno.EINPROGRESS)

    def _tell_news(self) -> None:
        """Return where there is a connection; else raise why there is none, and begin anew the next time."""
        self.is_news = False
        if self.stream is None or self.stream.is_dead:
            error = self.take_error() or errno.ECONNABORTED
            self._use_none()
            self.peer = None
            if not self._has_address:
                self.address = WILDCARDS[self.family == real.AF_INET6]
            raise failure(error)

    def _knock(self, there: Host, attempt: int) -> None:
        """Send a SYN; if no answer can come, again later."""
        if not self.is_connecting:
            return
        network = self.network
        way = network.links.between(self.host, there)
        back = network.links.between(there, self.host)
        if network.trouble is not None and network.trouble.refuses(self.host, there):
            self._fail(errno.ECONNREFUSED)
        elif way.is_cut or back.is_cut or not there.is_up:
            self._knock_later(there, attempt)
        else:
            network.after(way.latency, lambda: self._answer(there, back, attempt))

    def _knock_later(self, there: Host, attempt: int) -> None:
        wait = syn_wait(attempt)
        if attempt == SYN_RETRIES:
            self.network.after(wait, lambda: self._fail(errno.ETIMEDOUT))
        else:
            self.network.after(wait, lambda: self._knock(there, attempt + 1))

    def _answer(self, there: Host, back: Link, attempt: int) -> None:
        """What the other machine makes of the SYN."""
        if not self.is_connecting:
            return
        assert self.peer is not None
        listeners = [s for s in there.streams.at(*self.peer) if isinstance(s, StreamSocket) and s.is_listening]
        if not listeners:
            self.network.after(back.latency, lambda: self._fail(errno.ECONNREFUSED))
            return
        listener = min(listeners, key=lambda socket: len(socket.waiting))
        if len(listener.waiting) > listener.backlog:
            self._knock_later(there, attempt)  # Linux drops the SYN of a connection too many
            return
        mine, theirs = self._join(listener, there)
        listener.waiting.append(theirs)
        listener.changed()
        self.network.after(back.latency, lambda: self._established(mine))

    def _join(self, listener: StreamSocket, there: Host) -> tuple[Stream, StreamSocket]:
        """Both ends of a new connection."""
        network = self.network
        assert self.peer is not None
        child = StreamSocket(network, there, listener.family, listener.proto)
        child.address, child.port, child.peer = self.peer[0], self.peer[1], (self.address, self.port)
        child.options = dict(listener.options)
        child.ports.share(child, child.port)
        mine, theirs = Stream(self._capacity(listener)), Stream(listener._capacity(self))
        connect_ends(mine, theirs)
        trouble = network.trouble if self.host is not there or network.is_loopback_simulated else None
        between, here = network.links.between, self.host
        mine.wire = Line(network, between(here, there), (mine, theirs), (here, there), trouble)
        theirs.wire = Line(network, between(there, here), (theirs, mine), (there, here), trouble)
        child._use(theirs)
        return mine, child

    def _capacity(self, other: StreamSocket) -> int:
        return self.option(real.SOL_SOCKET, real.SO_SNDBUF) + other.option(real.SOL_SOCKET, real.SO_RCVBUF)

    def _established(self, stream: Stream) -> None:
        if not self.is_connecting:
            stream.close(hard=True)  # given up meanwhile
            return
        self.is_connecting = False
        self.is_news = True
        self._use(stream)
        self.changed()

    def _fail(self, error: int) -> None:
        if self.is_connecting:
            self.is_connecting = False
            self.is_news = True
            self.error = error
            self.peer = None
            self.changed()

    # Once there is one

    def _send_nowhere(self, data: Bytes) -> int:
        raise failure(self.take_error() or (errno.EAGAIN if self.is_connecting else errno.EPIPE))

    def _receive_nothing(self, limit: int) -> bytes:
        error = self.take_error()
        if self.is_news and not error:
            return b""  # it did not come about, which was said
        raise failure(error or (errno.EAGAIN if self.is_connecting else errno.ENOTCONN))

    def receive_from(self, limit: int, *, peek: bool = False) -> tuple[bytes, Address | None]:
        """As receive; nobody says who sent it."""
        if peek and self.stream is not None and not self.is_closed:
            return self.stream.peek(limit), None
        return self.receive(limit), None

    def _use_none(self) -> None:
        """There is no connection."""
        self.stream: Stream | None = None
        self.send = self._send_nowhere
        self.receive = self._receive_nothing
        self.can_read = self._may_accept_or_has_failed
        self.can_write = self._has_failed

    def _use(self, stream: Stream) -> None:
        """There is a connection, and this is its end."""
        self.stream = stream
        self.send, self.receive = stream.send, stream.receive
        self.can_read, self.can_write = stream.can_read, stream.can_write
        stream.on_change = self.changed

    def send_to(self, data: Bytes, address: Address) -> int:
        """A stream's address is settled: as send."""
        return self.send(data)

    def shutdown(self, how: int) -> None:
        """End sending, reading or both; a listener's reading is its listening, and who is still connecting gives up."""
        if self.is_connecting or (self.is_listening and how != real.SHUT_WR):
            self._give_up()
            return
        if self.is_listening:
            return
        if self.stream is None or self.stream.is_dead:
            raise failure(errno.ENOTCONN)
        self.is_news = False
        if how in (real.SHUT_RD, real.SHUT_RDWR):
            self.stream.turn_deaf()
        if how in (real.SHUT_WR, real.SHUT_RDWR):
            self.stream.shut()

    def peer_name(self) -> Address:
        """The other end's address. Raises ENOTCONN where there is no connection, or none any more."""
        if self.stream is None or self.stream.is_dead or self.peer is None:
            raise failure(errno.ENOTCONN)
        return self.shown(*self.peer)

    def _give_up(self) -> None:
        """Listen and connect no more; connections that nobody has accepted are reset."""
        self.is_listening = self.is_connecting = False
        for child in self.waiting:
            child.linger = _AT_ONCE
            child.close()
        self.waiting.clear()
        self.changed()

    def close(self) -> None:
        """Let go of it; connections that nobody has accepted are reset."""
        self._give_up()
        super().close()
        if self.stream is not None:
            self.stream.on_change = _nobody
            self.stream.close(hard=self.linger is not None and self.linger[:1] != b"\0" and not any(self.linger[4:8]))

    def vanish(self) -> None:
        """The machine is gone, and says nothing."""
        for child in self.waiting:
            child.vanish()
        self.waiting.clear()
        self.is_listening = self.is_connecting = False
        self.release()
        if self.stream is not None:
            self.stream.vanish()


def _nobody() -> None:
    """Nobody waits."""
