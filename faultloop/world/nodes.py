"""Machines of a scenario: what runs on one dies, stands still and starts again together, and has one clock.

worker = world.node("worker-1")
worker.start(work, queue)          a task of the node, made again at each restart
worker.crash(); worker.restart()   or planned: `crash:5s worker-1 @ Store.finish #1 woken`
worker.jump(-3600)                 its wall clock is set back by an hour
"""

from __future__ import annotations

import math
import sys
from asyncio import events
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

from faultloop.drivers.asyncio.loop import Loop
from faultloop.drivers.asyncio.nodes import Nodes
from faultloop.drivers.nodes import LIFE, Life
from faultloop.drivers.nodes import Node as Machine
from faultloop.errors import UsageError
from faultloop.world import asked
from faultloop.world.hosts import Host
from faultloop.world.network import current_network

if TYPE_CHECKING:
    from faultloop.drivers.trio.host import Host as TrioHost


class Node:
    """A machine by its name. As a context manager it takes in the tasks that are made inside.

    Do not wait inside: what wakes the waiter would be the node's as well.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._entered: list[tuple[AbstractContextManager[None], Token[Life | None]]] = []

    @property
    def name(self) -> str:
        """What it is called, in fault addresses too."""
        return self._machine.name

    @property
    def is_up(self) -> bool:
        """Whether it has not crashed since it was last started."""
        return self._machine.life is not None

    @property
    def crashes(self) -> int:
        """How often it has crashed."""
        return self._machine.crashes

    def start(self, function: Callable[..., Coroutine[Any, Any, object]], *args: Any, name: str = "") -> None:
        """Run an async function on it, now and at each restart.

        name: of its task; by default the node's for the first, and `node.function` for others.
        Raises UsageError: FL531 when the node is down, FL533 for what is no async function.
        """
        if not self.is_up:
            raise UsageError(f"node {self.name} is down: restart it before something is started on it", code="FL531")
        function = asked.async_function(function)
        known_as = getattr(function, "__name__", type(function).__name__)
        called = name or (f"{self.name}.{known_as}" if self._machine.boots else self.name)
        with self._on_its_host():
            self._machine.start(asked.coroutine_of(function), args, called)

    async def finished(self) -> None:
        """Wait until all that it was started with has ended, in this life or a later one. Raises what that raised.

        A node that is down and is never restarted does not finish.
        """
        await self._machine.finished()

    def crash(self) -> None:
        """Let it die: its tasks are gone where they are, and none of their code runs any more.

        Not for code of the node's own: that would go on until it waits.
        """
        self._machine.crash()

    def restart(self, *, after: float = 0) -> None:
        """Start it again with all that it was started with, if it is down. after: virtual seconds from now."""
        if wait := asked.nanoseconds("the time until a restart, in seconds,", after):
            self._machine.later(wait, self._machine.restart)
        else:
            self._machine.restart()

    def pause(self) -> None:
        """Let it stand still until `resume`: a process that is stopped, a machine that is moved, a long collection."""
        self._machine.pause()

    def resume(self) -> None:
        """Let it go on, as if nothing had been."""
        self._machine.resume()

    def jump(self, seconds: float) -> None:
        """Set its wall clock forward, or back if negative. `monotonic` and timers do not notice."""
        self._machine.wall_offset += asked.nanoseconds("the jump of a clock, in seconds,", seconds, least=-math.inf)

    def drift(self, fraction: float) -> None:
        """Let its wall clock go faster than time by a fraction from now on: 0.001 gains a second in a thousand.

        fraction: above -1, for a clock that drifts does not go backwards.
        """
        machine = self._machine
        ahead = machine.wall_ahead
        machine.wall_drift = asked.number("the drift of a clock", fraction, above=-1)
        machine.wall_offset += ahead - machine.wall_ahead

    def at_crash(self, hook: Callable[[], None]) -> None:
        """Have something done whenever it crashes: what that does to its surroundings.

        By default its connections are closed, as those of a process that dies. With
        `node.at_crash(lambda: world.fell(host))` its machine falls silent instead.
        """
        self._machine.at_crash.append(hook)

    def __enter__(self) -> Node:
        if self._machine.life is None:
            raise UsageError(f"node {self.name} is down: restart it before something is started on it", code="FL531")
        on_its_host = self._on_its_host()
        on_its_host.__enter__()
        self._entered.append((on_its_host, LIFE.set(self._machine.life)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        on_its_host, token = self._entered.pop()
        LIFE.reset(token)
        on_its_host.__exit__(kind, error, traceback)

    def _on_its_host(self) -> AbstractContextManager[None]:
        host = self._machine.host
        return nullcontext() if host is None else current_network().on(host)


def machine_of(name: str) -> Machine:
    """The node of this name in the run that this is called in, made if need be. Raises UsageError (FL532, FL533)."""
    asked.name("the name of a node", name)
    loop = events._get_running_loop()
    if isinstance(loop, Loop):
        if loop.nodes is None:
            loop.nodes = Nodes(loop)
            loop.next_stop = 0
        return loop.nodes.node(name)
    if (host := trio_host_here()) is not None:
        return host.grounds().node(name)
    raise UsageError("world.node is for scenarios: call it inside a run", code="FL532")


def trio_host_here() -> TrioHost | None:
    """The host of the run on trio that this is called in, or None. Nobody needs trio who does not use it."""
    module = sys.modules.get("faultloop.drivers.trio.host")
    return module.running() if module is not None else None


def node(name: str, *, clock: float = 0.0, host: str | Host | None = None) -> Node:
    """The node of this name in the run that this is called in.

    clock: how far its wall clock is ahead, in seconds.   host: where it is on the simulated network, made known if need
    be: what is started on the node from now on has its sockets there, also after a restart, at which the host rises.
    Raises UsageError: FL532 outside a run, FL533 for what is no name or no time.
    """
    machine = machine_of(name)
    if host is not None:
        network = current_network()
        on = host if isinstance(host, Host) else network.hosts.named(host) or network.host(host)
        if machine.host is None:
            machine.at_restart.append(lambda: network.rise(machine.host))
        machine.host = on
    if ahead := asked.nanoseconds("the clock of a node, in seconds ahead,", clock, least=-math.inf):
        machine.wall_offset = ahead
    return Node(machine)
