"""The simulated network beneath trio's own sockets: who waits for its descriptors, and who is told that they are ready.

The network lends `socket.socket` a class of its own (ADR 020); trio's sockets, streams, listeners and TLS run on it
unchanged. What it asks of a loop is answered here in the host's name, and trio's question which descriptor is ready
is answered by the network where the descriptor is one of its own.
"""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

import trio

from faultloop.drivers.network import FIRST_SIMULATED, Network
from faultloop.drivers.trio import private

if TYPE_CHECKING:
    from faultloop.drivers.ready import Entry
    from faultloop.drivers.trio.host import Host
    from faultloop.drivers.trio.nodes import Nodes

_REAL: Any = next(kind for kind in socket.socket.__mro__ if kind.__module__ == "socket")
"""The class that `socket.socket` is while nobody lends it another."""
_BUSY = {True: "another task is already reading this fd", False: "another task is already writing this fd"}


class _Waiter:
    """A task that waits for a descriptor: what the network keeps in the place of a handle of asyncio's."""

    __slots__ = ("is_reader", "task")

    def __init__(self, task: Any, is_reader: bool) -> None:
        self.task = task
        self.is_reader = is_reader

    def _callback(self) -> None:
        """The network wants one; who is ready is told in `Reach.poll`."""

    def cancel(self) -> None:
        """It waits no more."""


class Reach:
    """What the network takes for its loop. network: set once it is made."""

    network: Network

    def __init__(self, host: Host) -> None:
        self._host = host
        self._ready: list[_Waiter] = []
        self._waiting: dict[tuple[int, bool], _Waiter] = {}
        self.queue = self

    @property
    def now(self) -> int:
        """Virtual nanoseconds."""
        return self._host.now

    @property
    def nodes(self) -> Nodes | None:
        """The run's machines."""
        return self._host.nodes

    @property
    def choose(self) -> Callable[[int], int] | None:
        """Answers what it asks."""
        return self._host.choose

    def note(self, text: str) -> None:
        """Something befell the run that no task did; a recorded run keeps it."""
        self._host.note(text)

    def pass_time(self, nanoseconds: int) -> None:
        """Let time pass within a step."""
        self._host.pass_time(nanoseconds)

    def at_instant(self, instant: int, callback: Callable[[], object], context: Context) -> None:
        """Call back at an instant, in nanoseconds."""
        self._host.errands.add(instant, lambda: context.run(callback))

    def push_callback(self, entry: Entry) -> None:
        """A waiter's descriptor is ready."""
        waiter: Any = entry[0]
        self._ready.append(waiter)

    # Who waits

    async def wait(self, fd: int, *, is_reader: bool) -> None:
        """Wait until a descriptor is ready."""
        if (fd, is_reader) in self._waiting:
            raise trio.BusyResourceError(_BUSY[is_reader])
        waiter = self._waiting[fd, is_reader] = _Waiter(trio.lowlevel.current_task(), is_reader)
        self.network.watch(fd, **{"reader" if is_reader else "writer": waiter})

        def give_up(_: object) -> trio.lowlevel.Abort:
            self._forget(fd, is_reader)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(give_up)

    def _forget(self, fd: int, is_reader: bool) -> Any:
        self.network.unwatch(fd, is_reader=is_reader)
        waiter = self._waiting.pop((fd, is_reader), None)
        return waiter.task if waiter is not None else None

    def closes(self, fd: int) -> None:
        """A descriptor is about to be closed: who waits for it hears of it."""
        for is_reader in (True, False):
            task = self._forget(fd, is_reader)
            if task is not None:
                closed = trio.ClosedResourceError("another task closed this fd")
                self._host.runner.reschedule(task, private.failed(closed))

    def poll(self) -> bool:
        """Wake whose descriptors are ready, in their order. Returns whether there was any."""
        if not self.network.candidates:
            return False
        self.network.poll()
        ready, self._ready = self._ready, []
        places = {id(waiter): place for place, waiter in self._waiting.items()} if ready else {}
        for waiter in ready:
            fd, is_reader = places[id(waiter)]
            self._host.runner.reschedule(self._forget(fd, is_reader))
        return bool(ready)


class IoManager:
    """trio's own, for the operating system's descriptors; those of the network are asked of the network."""

    def __init__(self, beneath: Any, reach: Reach) -> None:
        self._beneath = beneath
        self._reach = reach

    def __getattr__(self, name: str) -> Any:
        return getattr(self._beneath, name)

    async def wait_readable(self, fd: Any) -> None:
        """Wait until something can be read."""
        number = _number(fd)
        if number >= FIRST_SIMULATED:
            await self._reach.wait(number, is_reader=True)
        else:
            await self._beneath.wait_readable(fd)

    async def wait_writable(self, fd: Any) -> None:
        """Wait until something can be written."""
        number = _number(fd)
        if number >= FIRST_SIMULATED:
            await self._reach.wait(number, is_reader=False)
        else:
            await self._beneath.wait_writable(fd)

    def notify_closing(self, fd: Any) -> None:
        """A descriptor is about to be closed."""
        number = _number(fd)
        if number >= FIRST_SIMULATED:
            self._reach.closes(number)
        else:
            self._beneath.notify_closing(fd)


def _is_method(value: Any) -> bool:
    """Whether this is a method of the real `socket.socket`, taken from the class."""
    name = getattr(value, "__name__", None)
    return isinstance(name, str) and getattr(_REAL, name, None) is value


def _number(fd: Any) -> int:
    return fd if isinstance(fd, int) else int(fd.fileno())


def connect(host: Host, make: Callable[[Any], Network]) -> Reach:
    """Put a network beneath a run that has been set up and has not begun."""
    _install()
    reach = Reach(host)
    reach.network = make(reach)
    host.runner.io_manager = IoManager(host.runner.io_manager, reach)
    return reach


@functools.cache
def _install() -> None:
    """Let trio's sockets call the methods of the socket they have, once per process.

    trio has taken the methods of `socket.socket` when it was imported: those of a class lent later it does not know.
    """
    kind = private.socket_type()
    original = kind._nonblocking_helper

    @functools.wraps(original)
    def _nonblocking_helper(self: Any, *args: Any, **kwargs: Any) -> Any:
        own: Any = type(self._sock)  # pyright: ignore[reportUnknownVariableType]
        if own is not _REAL:
            args = tuple(getattr(own, each.__name__) if _is_method(each) else each for each in args)
        return original(self, *args, **kwargs)

    kind._nonblocking_helper = _nonblocking_helper
