"""`select.select` and `select.poll` while a run lasts: they answer about simulated sockets, too, as of this instant.

Libraries ask whether an idle connection has become readable, for then it was closed and must not be used again. None of
them can wait for a simulated socket: the network moves only while the loop runs.
"""

from __future__ import annotations

import errno
import select as real
from typing import TYPE_CHECKING, Any, Final

from faultloop.drivers.boundary import declare
from faultloop.drivers.network import FIRST_SIMULATED
from faultloop.world.refusals import would_wait
from faultloop.world.running import running_network
from faultloop.world.stream import failure

if TYPE_CHECKING:
    from faultloop.world.network import Network

declare("select.select, select.poll", "controlled", "of simulated sockets: what they are ready for", 'io="loopback"')

real_select: Any = real.select
real_poll: Any = getattr(real, "poll", None)  # not everywhere
_IN, _OUT = getattr(real, "POLLIN", 1), getattr(real, "POLLOUT", 4)
_ERR, _HUP, _NVAL = getattr(real, "POLLERR", 8), getattr(real, "POLLHUP", 16), getattr(real, "POLLNVAL", 32)
_END = getattr(real, "POLLRDHUP", 0)
_READ = _IN | getattr(real, "POLLRDNORM", 0)
_WRITE = _OUT | getattr(real, "POLLWRNORM", 0)
_UNASKED: Final = _ERR | _HUP | _NVAL
"""What poll tells whether it is asked or not."""
_NO_OPTION: Any = object()


def select(rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None, /) -> Any:
    """Which of these are ready to be read and to be written."""
    network = running_network()
    wanted = [list(some) for some in (rlist, wlist, xlist)]
    if network is None or not any(_descriptor(one) >= FIRST_SIMULATED for some in wanted for one in some):
        return real_select(*wanted, *(() if timeout is None else (timeout,)))
    asked = (_READ | _HUP | _ERR | _END, _WRITE | _ERR, 0)
    if any(_events(network, _descriptor(one)) & _NVAL for some in wanted for one in some):
        raise failure(errno.EBADF)
    found = [
        [one for one in some if _events(network, _descriptor(one)) & mask]
        for some, mask in zip(wanted, asked, strict=True)
    ]
    others = [[one for one in some if _descriptor(one) < FIRST_SIMULATED] for some in wanted]
    really = real_select(*others, 0)
    if not any(found) and not any(really):
        _refuse_to_wait("select", timeout)
    return tuple(
        [one for one in some if one in ours or one in theirs]
        for some, ours, theirs in zip(wanted, found, really, strict=True)
    )


class Poll:
    """As the object that `select.poll()` returns, for descriptors of both kernels."""

    def __init__(self) -> None:
        self._real: Any = real_poll()
        self._simulated: dict[int, int] = {}

    def register(self, fd: Any, eventmask: int = _NO_OPTION, /) -> None:
        """Ask about a descriptor from now on."""
        number = _descriptor(fd)
        mask = _IN | _OUT | getattr(real, "POLLPRI", 0) if eventmask is _NO_OPTION else eventmask
        if number >= FIRST_SIMULATED:
            self._simulated[number] = mask
        else:
            self._real.register(number, mask)

    def modify(self, fd: Any, eventmask: int, /) -> None:
        """Ask something else. Raises FileNotFoundError for a descriptor that was not registered."""
        number = _descriptor(fd)
        if number in self._simulated:
            self._simulated[number] = eventmask
        else:
            self._real.modify(number, eventmask)

    def unregister(self, fd: Any, /) -> None:
        """Ask no more. Raises KeyError for a descriptor that was not registered."""
        number = _descriptor(fd)
        if self._simulated.pop(number, None) is None:
            self._real.unregister(number)

    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]:
        """What is ready, and for what. timeout: milliseconds."""
        network = running_network()
        if not self._simulated:
            found: list[tuple[int, int]] = self._real.poll(timeout)
            return found
        found = list(self._real.poll(0))
        for number, mask in self._simulated.items():
            events = _NVAL if network is None else _events(network, number)
            if events := events & (mask | _UNASKED):
                found.append((number, events))
        if not found:
            _refuse_to_wait("poll", None if timeout is not None and timeout < 0 else timeout)
        return found


def poll() -> Poll:
    """A new polling object."""
    return Poll()


def _events(network: Network, number: int) -> int:
    """What poll says of a descriptor, whatever it was asked; nothing of those of the operating system."""
    if number < FIRST_SIMULATED:
        return 0
    end = network.described(number)
    if end is None:
        return _NVAL
    condition = end.condition()
    events = (_READ, _WRITE, _ERR, _HUP, _END)
    return sum(event for event, holds in zip(events, condition, strict=True) if holds)


def _descriptor(fd: Any) -> int:
    return fd if isinstance(fd, int) else int(fd.fileno())


def _refuse_to_wait(what: str, timeout: float | None) -> None:
    if timeout is None or timeout > 0:
        raise would_wait(what)
