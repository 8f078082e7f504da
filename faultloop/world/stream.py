"""One end of a TCP connection, as a kernel keeps it: byte streams, windows, FIN and RST. Knows no loop and no clock.

Rule 1: pure. What an end sends goes over a `Wire`, which brings it to the other end's `deliver`, sooner or later.
Rule 2: what a program sees is what Linux shows it: which error, once or for ever, and what is still readable after it.
Rule 3: bytes that are accepted and not yet read by the other program are `unread`; they fill one budget, which stands
for the send buffer here and the receive buffer there.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from enum import Enum
from typing import Final, Protocol

SEND_BYTES: Final = 87_040
RECEIVE_BYTES: Final = 131_072
"""What Linux gives a socket by default; SO_SNDBUF and SO_RCVBUF change it."""


class Flag(Enum):
    """What goes over a wire besides bytes."""

    FIN = "fin"
    RST = "rst"


Segment = bytes | Flag


class Wire(Protocol):
    """One direction of a connection."""

    def carry(self, segment: Segment) -> None:
        """Bring a segment to the other end, behind those that are under way."""
        ...


class Stream:
    """One end of an established connection.

    error: an errno that the next operation raises, once.   has_ended: the other side has sent all it will.
    is_shut: this side has.   is_dead: a reset, a connection that was given up, or that ended on both sides; nothing
    passes any more.
    is_closed: the program has let go of it.
    """

    __slots__ = (
        "capacity",
        "error",
        "has_ended",
        "incoming",
        "is_closed",
        "is_dead",
        "is_deaf",
        "is_shut",
        "on_change",
        "peer",
        "unread",
        "wire",
    )

    def __init__(self, capacity: int = SEND_BYTES + RECEIVE_BYTES) -> None:
        self.peer: Stream | None = None
        self.wire: Wire
        self.capacity = capacity
        self.unread = 0
        """Bytes accepted here that the other program has not read."""
        self.incoming: deque[bytes] = deque()
        self.error = 0
        self.has_ended = False
        self.is_shut = False
        self.is_deaf = False
        """Whether this program said that it reads no more."""
        self.is_dead = False
        self.is_closed = False
        self.on_change: Changed = _nobody

    def can_read(self) -> bool:
        """Whether a reader is to be told: there are bytes, an end, or nothing ever more."""
        return bool(self.incoming) or self.has_ended or self.is_dead or self.is_deaf

    def can_write(self) -> bool:
        """Whether a writer is to be told: a third of the budget is free, as Linux has it, or sending fails at once."""
        return 3 * self.unread <= 2 * self.capacity or self.is_shut or self.is_dead

    # What the program does

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Accept bytes, as many as the budget has room for. Raises BlockingIOError, BrokenPipeError or the error."""
        if self.error or self.is_shut or self.is_dead:
            raise failure(self.take_error() or errno.EPIPE)
        room = self.capacity - self.unread
        if room <= 0:
            raise failure(errno.EAGAIN)
        taken = bytes(data if len(data) <= room else memoryview(data)[:room])
        self.unread += len(taken)
        if taken:
            self.wire.carry(taken)
        return len(taken)

    def receive(self, limit: int) -> bytes:
        """Up to `limit` bytes; none at the end. Raises BlockingIOError, or the error of a reset."""
        incoming = self.incoming
        if not incoming:
            return self._receive_none()
        taken = incoming.popleft() if len(incoming) == 1 else b"".join(incoming)
        if incoming:
            incoming.clear()
        if len(taken) > limit:
            incoming.append(taken[limit:])
            taken = taken[:limit]
        peer = self.peer
        assert peer is not None
        if 3 * peer.unread > 2 * peer.capacity:
            peer.unread -= len(taken)
            peer.on_change()
        else:
            peer.unread -= len(taken)
        return taken

    def peek(self, limit: int) -> bytes:
        """What receive would return, left where it is."""
        return b"".join(self.incoming)[:limit] if self.incoming else self._receive_none()

    def _receive_none(self) -> bytes:
        if self.has_ended:
            return b""
        if self.error:
            raise failure(self.take_error())
        if self.is_dead or self.is_deaf:
            return b""
        raise failure(errno.EAGAIN)

    def shut(self) -> None:
        """Send no more: the other side reads the end. Raises OSError where there is no connection."""
        if self.is_dead:
            raise failure(errno.ENOTCONN)
        if not self.is_shut:
            self.is_shut = True
            self.wire.carry(Flag.FIN)
            self.on_change()

    def turn_deaf(self) -> None:
        """Read no more; what comes is not refused."""
        if self.is_dead:
            raise failure(errno.ENOTCONN)
        self.is_deaf = True
        self.on_change()

    def close(self, *, hard: bool = False) -> None:
        """Let go of it. Bytes that were not read turn the end into a reset. hard: in any case (SO_LINGER of 0)."""
        if self.is_closed:
            return
        self.is_closed = True
        was_unread, self.incoming = bool(self.incoming), deque()
        if self.is_dead:
            return
        if hard or was_unread:
            self.is_dead = True
            self.wire.carry(Flag.RST)
        elif not self.is_shut:
            self.is_shut = True
            self.wire.carry(Flag.FIN)

    def take_error(self) -> int:
        """The error as SO_ERROR has it: once."""
        error, self.error = self.error, 0
        return error

    # What comes over the wire

    def deliver(self, segment: Segment) -> None:
        """Take what the other side sent."""
        if segment is Flag.RST:
            self.reset()
        elif segment is Flag.FIN:
            if not self.is_dead:
                self.has_ended = True
                self._part()
                self.on_change()
        elif self.is_closed or self.is_dead:
            self.is_dead = True
            self.wire.carry(Flag.RST)  # nobody will ever read this
        elif self.is_shut and self.is_deaf:
            self.wire.carry(Flag.RST)  # nor this, and whoever sent it is to know (RFC 1122, section 4.2.2.13)
            self.fail(errno.ECONNRESET)
        else:
            self.incoming.append(segment)
            self.on_change()

    def _part(self) -> None:
        """Where each side has sent its end and heard the other's, there is no connection any more."""
        peer = self.peer
        if self.is_shut and peer is not None and peer.has_ended:
            self.is_dead = peer.is_dead = True

    def reset(self) -> None:
        """The other side has broken it off. What had come before stays readable."""
        if self.is_shut and self.has_ended:
            self.is_dead = True  # both had ended: nobody is told
            return
        self.fail(errno.EPIPE if self.has_ended else errno.ECONNRESET)

    def fail(self, error: int) -> None:
        """The connection is over, for this errno; the other side does not hear of it."""
        if not self.is_dead:
            self.is_dead = True
            self.error = error
            self.on_change()

    def vanish(self) -> None:
        """The machine is gone: nothing more is said, not even that."""
        self.is_dead = self.is_closed = True
        self.incoming = deque()


class Changed(Protocol):
    """Told that an end may have become readable or writable."""

    def __call__(self) -> None: ...


def _nobody() -> None:
    """Nobody waits."""


def connect_ends(one: Stream, other: Stream) -> None:
    """Make two streams the ends of one connection; their wires are the caller's."""
    one.peer, other.peer = other, one


def failure(number: int) -> OSError:
    """The error of a system call, in the kernel's words and Python's class for it."""
    return OSError(number, os.strerror(number))
