"""The simulated network of one run: descriptors, hosts, links, and who is told at which turn.

It takes the kernel's place beneath asyncio's own transports, servers and TLS, and they run unchanged. What is ready is
looked at at the start of each turn, in the order of descriptors, as the loop looks at real ones.
"""

from __future__ import annotations

import heapq
import socket as real
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any, Literal

from faultloop.drivers.network import FIRST_SIMULATED
from faultloop.drivers.ready import ABSENT
from faultloop.errors import UsageError
from faultloop.world.asked import addresses_of
from faultloop.world.asked import name as asked_name
from faultloop.world.datagrams import DatagramSocket
from faultloop.world.faults import Questions
from faultloop.world.hosts import WILDCARDS, Host, Hosts
from faultloop.world.links import Links
from faultloop.world.names import give_back, lend
from faultloop.world.resolve import Resolver
from faultloop.world.running import running, running_network
from faultloop.world.sockets import End, Socket
from faultloop.world.streams import StreamSocket
from faultloop.world.trouble import Trouble

if TYPE_CHECKING:
    from faultloop.drivers.asyncio.loop import Loop
    from faultloop.world.descriptions import Description

_here: ContextVar[Host | None] = ContextVar("faultloop_host", default=None)
"""On which host the code that runs now is; None for the program's own."""


def current_network() -> Network:
    """The network of the run that this thread is in. Raises UsageError (FL305) outside of one."""
    network = running_network()
    if network is None:
        raise UsageError(
            "there is no simulated network here: call this inside a scenario, in a run whose io is not "
            '"loopback" or "real"',
            code="FL305",
        )
    return network


class Network:
    """What stands in for the kernel's network in one run.

    loopback: whether a host's own loopback is simulated, too.   faults: the kinds that may be drawn.
    """

    def __init__(self, loop: Loop, *, loopback: Literal["real", "simulated"], faults: Iterable[str] = ()) -> None:
        self.is_patient = False
        self.candidates: dict[int, Description] = {}
        """By descriptor, what may be ready and is waited for. Always the same object: the loop holds it."""
        self.hosts = Hosts()
        self.links = Links()
        self.is_loopback_simulated = loopback == "simulated"
        self._loop = loop
        self._descriptions: dict[int, End] = {}
        self._free: list[int] = []
        self._next = FIRST_SIMULATED
        self._context = Context()
        self._before: Network | None = None
        self._resolver = Resolver(self.hosts)
        questions = Questions(faults, loop.choose) if loop.choose is not None else None
        self.trouble = Trouble(self, questions) if questions is not None and not questions.is_calm else None

    def note(self, text: str) -> None:
        """Have a recorded run keep what befell it."""
        self._loop.note(text)

    # Time

    @property
    def now(self) -> int:
        """Virtual nanoseconds."""
        return self._loop.now

    def at(self, instant: int, callback: Callable[[], None]) -> None:
        """Call back at an instant."""
        self._loop.at_instant(instant, callback, self._context)

    def after(self, wait: int, callback: Callable[[], None]) -> None:
        """Call back after so many nanoseconds; now, if it is none."""
        if wait:
            self.at(self.now + wait, callback)
        else:
            callback()

    # Descriptors

    def describe(self, family: int, kind: int, proto: int) -> End:
        """A new socket of the host that the running code is on."""
        make = StreamSocket if kind == real.SOCK_STREAM else DatagramSocket
        end = make(self, self.here, family, proto)
        self.give_descriptor(end)
        return end

    def give_descriptor(self, end: End) -> None:
        """The lowest free descriptor, as a kernel gives it."""
        if self._free:
            end.fd = heapq.heappop(self._free)
        else:
            end.fd = self._next
            self._next += 1
        self._descriptions[end.fd] = end

    def close_descriptor(self, end: End) -> None:
        """The program closes it."""
        if end.is_closed:
            return
        end.close()
        self.candidates.pop(end.fd, None)
        del self._descriptions[end.fd]
        heapq.heappush(self._free, end.fd)
        end.fd = -1

    def described(self, fd: int) -> End | None:
        """What stands behind a descriptor; None where it is not open."""
        return self._descriptions.get(fd)

    def watch(self, fd: int, *, reader: Any = None, writer: Any = None) -> None:
        """Queue these handles, one or both, whenever the descriptor is ready for them."""
        end = self._descriptions.get(fd)
        if end is None:
            raise ValueError(f"{fd} is no open descriptor of the simulated network")
        if reader is not None:
            _cancel(end.reader)
            end.reader = (reader, reader._callback, ABSENT)
        if writer is not None:
            _cancel(end.writer)
            end.writer = (writer, writer._callback, ABSENT)
        self.candidates[fd] = end

    def unwatch(self, fd: int, *, is_reader: bool) -> bool:
        """Queue the handle no more. Returns whether there was one."""
        end = self._descriptions.get(fd)
        if end is None:
            return False
        entry = end.reader if is_reader else end.writer
        if is_reader:
            end.reader = None
        else:
            end.writer = None
        _cancel(entry)
        return entry is not None

    def poll(self) -> None:
        """Queue the handles of what is ready, by descriptor."""
        candidates, push, nodes = self.candidates, self._loop.queue.push_callback, self._loop.nodes
        for fd in sorted(candidates) if len(candidates) > 1 else tuple(candidates):
            end = candidates[fd]
            is_hit = False
            if (reader := end.reader) is not None and end.can_read() and (nodes is None or nodes.listens(reader[0])):
                push(reader)
                is_hit = True
            if (writer := end.writer) is not None and end.can_write() and (nodes is None or nodes.listens(writer[0])):
                push(writer)
                is_hit = True
            if not is_hit:
                del candidates[fd]

    def look_again(self) -> None:
        """Who did not listen listens again: whatever is watched may be ready."""
        for fd, end in self._descriptions.items():
            if end.reader is not None or end.writer is not None:
                self.candidates[fd] = end

    @property
    def handles(self) -> list[Any]:
        """What is queued when something is ready, by descriptor."""
        ends = [end for _, end in sorted(self._descriptions.items())]
        return [entry[0] for end in ends for entry in (end.reader, end.writer) if entry is not None]

    @property
    def is_open(self) -> bool:
        """Whether any simulated descriptor is."""
        return bool(self._descriptions)

    # Which kernel, which host

    @property
    def here(self) -> Host:
        """The host that the running code is on."""
        return _here.get() or self.hosts.own

    @contextmanager
    def on(self, host: Host) -> Generator[None, None, None]:
        """Run what is inside, and the tasks it makes, on a host."""
        token = _here.set(host)
        try:
            yield
        finally:
            _here.reset(token)

    def decides_at_once(self) -> bool:
        """Whether a new socket is simulated wherever it goes."""
        return self.is_loopback_simulated or self.here is not self.hosts.own

    def simulates(self, host: Any) -> bool:
        """Whether a name or address belongs to the simulation: all but this machine's loopback, if that is real."""
        return self.decides_at_once() or not self._resolver.is_own(host)

    def host_to_bind(self, address: str, here: Host) -> Host:
        """Whose socket it becomes that is bound to an address. One that nobody has makes its host known."""
        if address in WILDCARDS:
            return here
        return self.hosts.at(address, here) or self.hosts.add(address, address)

    def host_to_reach(self, address: str, here: Host) -> Host:
        """The host at an address. Raises EscapeRefused (FL301) where there is none."""
        host = self.hosts.at(address, here)
        if host is None:
            raise self._resolver.refusal(address)
        return host

    def resolve(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        """getaddrinfo from the host table. Raises gaierror; EscapeRefused (FL301) for a name that nobody has."""
        if self.trouble is not None and not flags & real.AI_PASSIVE and not self._resolver.is_numeric(host):
            self._loop.pass_time(self.trouble.resolves_late(str(host)))
            if self.trouble.resolves_not(str(host)):
                raise real.gaierror(real.EAI_AGAIN, "Temporary failure in name resolution")
        return self._resolver.resolve(host, port, family, type, proto, flags)

    # What a scenario does to it

    def host(self, name: str, *addresses: str) -> Host:
        """Make a host known. Raises UsageError (FL533)."""
        given = addresses_of(asked_name("the name of a host", name), addresses)
        try:
            return self.hosts.add(name, *given)
        except ValueError as error:  # another host has the address
            raise UsageError(str(error), code="FL533") from None

    def require_host(self, name: str | Host) -> Host:
        """The host of a name. Raises UsageError (FL306) where nobody has it."""
        host = name if isinstance(name, Host) else self.hosts.named(name)
        if host is None:
            known = ", ".join((self.hosts.own.name, *self.hosts.names))
            nodes = self._loop.nodes
            is_node = nodes is not None and name in nodes.all
            hint = f'. Node {name} has none of its own: world.node("{name}", host="{name}")' if is_node else ""
            raise UsageError(f'there is no host "{name}"; there are {known}{hint}', code="FL306")
        return host

    def part(self, one: Host, other: Host) -> None:
        """Cut both links between two hosts."""
        self._set_parted(one, other, is_parted=True)

    def mend(self, one: Host, other: Host) -> None:
        """Make both links whole again. What was held back is sent again when its sender next tries."""
        self._set_parted(one, other, is_parted=False)

    def _set_parted(self, one: Host, other: Host, *, is_parted: bool) -> None:
        for link in (self.links.between(one, other), self.links.between(other, one)):
            if one is not other:
                link.is_parted = is_parted
                link.update()

    def fell(self, host: Host) -> None:
        """The machine dies: its sockets are gone without a word, and nothing reaches it until it rises."""
        self._set_up(host, is_up=False)
        for end in sorted(self._descriptions.values(), key=lambda end: end.fd):
            if end.host is host:
                end.vanish()
                end.reader = end.writer = None
                self.candidates.pop(end.fd, None)

    def rise(self, host: Host) -> None:
        """The machine is up again, with no sockets: what is sent to the old ones is answered by resets."""
        self._set_up(host, is_up=True)

    def _set_up(self, host: Host, *, is_up: bool) -> None:
        host.is_up = is_up
        for link in self.links.of(host):
            link.is_down = not is_up
            link.update()

    # Taking the kernel's place

    def enter(self) -> None:
        """The loop begins to run in this thread: what the module `socket` names is ours from here on."""
        thread = threading.get_ident()
        self._before = running.get(thread)
        running[thread] = self
        lend()

    def leave(self) -> None:
        """The loop stops."""
        thread = threading.get_ident()
        if self._before is None:
            del running[thread]
        else:
            running[thread], self._before = self._before, None
        give_back()

    def decide(self, sock: Any, address: Any) -> None:
        """Before the loop connects a socket, for it asks for the descriptor first. Raises EscapeRefused (FL301)."""
        if isinstance(sock, Socket) and type(sock) is Socket:
            sock.decide(address)
        if getattr(sock, "end", None) is None and not self._resolver.is_own(address[0]):
            raise self._resolver.refusal(address[0])

    def asked(self) -> None:
        """What is real here is the run's own, and answers at once."""

    def answered(self) -> None:
        """As above."""

    def waited(self) -> bool:
        """Nothing is worth waiting for."""
        return False


def _cancel(entry: Any) -> None:
    if entry is not None:
        entry[0].cancel()
