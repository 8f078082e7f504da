"""Machines within a run: tasks that die, stop and start again together.

A node lives, may die, and may live again. What belongs to a life: the tasks made within it, and every callback that one
of them left with the loop. A dead life's tasks never take another step and none of their code runs, no `finally` either
(see `coffins`); nothing tells those that wait for them. A paused node's steps and callbacks are kept, and run when it
goes on, however late that is.
"""

from __future__ import annotations

import contextvars
import gc
import socket
import weakref
from asyncio import base_events
from asyncio import tasks as asyncio_tasks
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any

from faultloop.drivers.boundary import declare
from faultloop.drivers.coffins import bury
from faultloop.drivers.ready import Entry
from faultloop.model.faults import NANOSECONDS

if TYPE_CHECKING:
    from faultloop.drivers.asyncio_loop import Loop

declare("crash and pause of a node", "controlled", "its tasks end without any code run, or stand still", "world.node")

Boot = tuple[Callable[..., Coroutine[Any, Any, object]], tuple[Any, ...], str, Context]
"""What a node runs when it starts: a function, its arguments, the task's name, and the context that it was given in."""


class Life:
    """One life of a node, from its start to its crash."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.is_over = False
        self.tasks: list[Any] = []
        """All that were made within it and have not ended, when last looked at."""
        self.started: list[Any] = []
        """The tasks that the node was started with."""
        self.at_end: list[Callable[[], None]] = []
        """Called when it is over: what the kernel, or the library, does for a process that died."""

    def adopt(self, task: Any) -> None:
        """A task was made within this life."""
        task.home = self
        if len(self.tasks) > 100:
            self.tasks = [each for each in self.tasks if not each.done()]
        self.tasks.append(task)


LIFE: ContextVar[Life | None] = ContextVar("faultloop_life", default=None)
"""The life that code runs in. Tasks and callbacks take it from where they are made."""


class Nodes:
    """The nodes of one run, and what keeps their steps from running. Present from the first node on."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.all: dict[str, Node] = {}

    def node(self, name: str) -> Node:
        """The node of this name, made now if there is none."""
        if name not in self.all:
            self.all[name] = Node(self.loop, name)
        return self.all[name]

    def keeps(self, entry: Entry) -> bool:
        """Whether an entry that is about to run belongs to a life that is over, or to a paused node, which keeps it."""
        life = life_of(entry)
        if life is None:
            return False
        if life.is_over:
            return True
        if life.node.is_paused:
            life.node.kept.append(entry)
            return True
        return False

    def hears(self, key: Any) -> bool:
        """Whether the owner of a descriptor takes notice of it now."""
        return all(map(self.listens, key.data))

    def listens(self, handle: Any) -> bool:
        """Whether a handle that waits for a descriptor is one that may run now."""
        life = _life_of_handle(handle)
        return life is None or not (life.is_over or life.node.is_paused)


class Node:
    """A machine: what runs on it, its clock, and whether it is up."""

    def __init__(self, loop: Loop, name: str) -> None:
        self._loop = loop
        self.name = name
        self.life: Life | None = Life(self)
        self.is_paused = False
        self.kept: list[Entry] = []
        """What would have run while it was paused."""
        self.boots: list[Boot] = []
        self.crashes = 0
        self.wall_offset = 0
        """How far its wall clock is ahead, in nanoseconds."""
        self.wall_drift = 0.0
        """How much faster its wall clock goes than the loop's, as a fraction."""
        self.host: Any = None
        """Its host on the simulated network, if it has one of its own."""
        self.disk: Any = None
        """Its simulated disk, if it has one."""
        self.at_crash: list[Callable[[], None]] = []
        """Called when it crashes: what that does to disks and to the network."""
        self.at_restart: list[Callable[[], None]] = []
        """Called when it starts again, before anything runs on it."""
        self._changed: list[Any] = []

    @property
    def wall_ahead(self) -> int:
        """How far its wall clock is ahead now, in nanoseconds."""
        return self.wall_offset + round(self._loop.now * self.wall_drift)

    def start(self, function: Callable[..., Coroutine[Any, Any, object]], args: tuple[Any, ...], name: str) -> Any:
        """Run something on it, now and whenever it starts again. Returns the task."""
        boot = (function, args, name, contextvars.copy_context())
        self.boots.append(boot)
        return self._boot(boot)

    def _boot(self, boot: Boot) -> Any:
        function, args, name, given_in = boot
        assert self.life is not None, "a node that is down runs nothing"
        context = given_in.copy()  # that of the start and not of the restart: it says on which host the node is
        context.run(LIFE.set, self.life)
        task = self._loop.create_task(context.run(function, *args), name=name, context=context)
        self.life.started.append(task)
        return task

    def crash(self) -> None:
        """End its life: tasks, callbacks, timers and connections, with no code of theirs run."""
        life = self.life
        if life is None:
            return
        life.is_over = True
        self.life = None
        self.crashes += 1
        self.is_paused = False
        self.kept.clear()
        for hook in self.at_crash:  # first of all: a machine that falls silent tells nobody that its sockets close
            hook()
        waited_for = {id(task._fut_waiter) for task in life.tasks}
        for timer in [*self._loop.agenda.handles(), *self._loop.due]:
            if timer._context is None:  # that of a sleep: whose it is, its future says
                is_mine = id((timer._args or (None,))[0]) in waited_for
            else:
                is_mine = timer._context.get(LIFE) is life
            if is_mine:
                timer.cancel()
        _cut_connections(self._loop, life)
        for task in life.tasks:
            if not task.done():
                end_without_a_word(self._loop, task)
        for hook in life.at_end:
            hook()
        self._tell()

    def restart(self) -> None:
        """Start it again, if it is down: everything it was started with, anew."""
        if self.life is not None:
            return
        self.life = Life(self)
        for hook in self.at_restart:
            hook()
        for boot in self.boots:
            self._boot(boot)
        self._tell()

    def later(self, nanoseconds: int, action: Callable[[], None]) -> None:
        """Do something to it from outside, after a virtual time."""
        self._loop.call_at((self._loop.now + nanoseconds) / NANOSECONDS, action, context=Context())

    def pause(self) -> None:
        """Let it stand still: time goes by, and nothing on it runs."""
        self.is_paused = self.life is not None

    def resume(self) -> None:
        """Let it go on, with all that became due in between."""
        if not self.is_paused:
            return
        self.is_paused = False
        kept, self.kept = self.kept, []
        for entry in kept:
            if type(entry[0]) is Context:
                self._loop.queue.push(entry)
            else:
                self._loop.queue.push_callback(entry)
        if self._loop.network is not None:
            self._loop.network.look_again()

    async def finished(self) -> None:
        """Wait until everything it was started with has ended, in this life or a later one. Raises what they raise."""
        while True:
            going_on = [] if self.life is None else [task for task in self.life.started if not task.done()]
            if self.life is not None and not going_on:
                for task in self.life.started:
                    task.result()
                return
            changed = self._loop.create_future()
            self._changed.append(changed)
            for task in going_on:
                task.add_done_callback(self._tell)
            await changed

    def _tell(self, _: object = None) -> None:
        changed, self._changed = self._changed, []
        for future in changed:
            if not future.done():
                future.set_result(None)


def life_of(entry: Entry) -> Life | None:
    """The life that an entry of the ready queue belongs to."""
    runner: Any = entry[0]
    if type(runner) is Context:
        task: Any = entry[1].__self__  # type: ignore[attr-defined]
        return getattr(task, "home", None)
    return _life_of_handle(getattr(runner, "handle", runner))


def _life_of_handle(handle: Any) -> Life | None:
    context: Context | None = getattr(handle, "_context", None)
    return context.get(LIFE) if context is not None else None


def adopt(task: Any, context: Context | None) -> None:
    """A task was made: it belongs to the life that it was made in, if any."""
    life = LIFE.get() if context is None else context.get(LIFE)
    if life is not None:
        life.adopt(task)


def end_without_a_word(loop: Loop, task: Any) -> None:
    """Let a task be gone: asyncio forgets it, and none of its code runs any more."""
    for suspended in bury(task.get_coro()):
        loop._asyncgens.discard(suspended)
        for held in gc.get_referents(suspended):
            _close_sockets(held)
    task._log_destroy_pending = False
    asyncio_tasks._unregister_task(task)


class Transports(weakref.WeakValueDictionary[int, Any]):
    """asyncio's register of a loop's transports, which notes the life that each is made in."""

    def __setitem__(self, descriptor: int, transport: Any) -> None:
        transport.faultloop_life = LIFE.get()
        super().__setitem__(descriptor, transport)


def _cut_connections(loop: Loop, life: Life) -> None:
    """Close a life's sockets, as the kernel does for a process that has died: the other end hears of it."""
    if "_selector" in loop.__dict__:
        for key in list(loop._selector.get_map().values()):
            if any(_life_of_handle(handle) is life for handle in key.data):
                loop._selector.unregister(key.fd)
                _close_waited_for(key.data)
    if loop.network is not None:
        _close_waited_for([handle for handle in loop.network.handles if _life_of_handle(handle) is life])
    for descriptor, transport in sorted(loop._transports.items()):
        if transport.faultloop_life is life and (own := transport._sock) is not None:
            own.close()
            transport._sock, transport._closing, transport._conn_lost = None, True, transport._conn_lost + 1
            del loop._transports[descriptor]


def _close_waited_for(handles: Iterable[Any]) -> None:
    for handle in filter(None, handles):
        for argument in handle._args or ():
            _close_sockets(argument)
        handle.cancel()


def _close_sockets(held: object) -> None:
    """Close what the kernel closes of a process: a socket, or those that a server listens on."""
    if isinstance(held, base_events.Server):
        listening: Any = held
        for own in listening._sockets or ():
            own.close()
    elif isinstance(held, socket.socket):
        held.close()
