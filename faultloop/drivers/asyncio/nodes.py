"""Nodes on the asyncio loop: which entries, timers and connections are a life's, and how they are let go."""

from __future__ import annotations

import gc
import socket
import sys
import weakref
from asyncio import base_events
from asyncio import tasks as asyncio_tasks
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from faultloop.drivers.coffins import bury
from faultloop.drivers.nodes import LIFE, Boot, Life, Node
from faultloop.drivers.ready import Entry
from faultloop.model.faults import NANOSECONDS

if TYPE_CHECKING:
    from faultloop.drivers.asyncio.loop import Loop


class Nodes:
    """The nodes of one run, and what keeps their steps from running. Present from the first node on."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.all: dict[str, Node] = {}

    @property
    def now(self) -> int:
        """Virtual nanoseconds."""
        return self.loop.now

    def node(self, name: str) -> Node:
        """The node of this name, made now if there is none."""
        if name not in self.all:
            self.all[name] = Node(self, name)
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

    # As Grounds

    def boot(self, life: Life, boot: Boot) -> Any:
        """Make a task within a life."""
        function, args, name, given_in = boot
        context = given_in.copy()  # that of the start and not of the restart: it says on which host the node is
        context.run(LIFE.set, life)
        return self.loop.create_task(context.run(function, *args), name=name, context=context)

    def end(self, life: Life) -> None:
        """Let all that belongs to a life be gone: timers, connections, tasks."""
        loop = self.loop
        waited_for = {id(task._fut_waiter) for task in life.tasks}
        for timer in [*loop.agenda.handles(), *loop.due]:
            if timer._context is None:  # that of a sleep: whose it is, its future says
                is_mine = id((timer._args or (None,))[0]) in waited_for
            else:
                is_mine = timer._context.get(LIFE) is life
            if is_mine:
                timer.cancel()
        _cut_connections(loop, life)
        for task in life.tasks:
            if not task.done():
                end_without_a_word(loop, task)

    def later(self, nanoseconds: int, action: Callable[[], None]) -> None:
        """Do something after a virtual time, as nobody's code."""
        self.loop.call_at((self.loop.now + nanoseconds) / NANOSECONDS, action, context=Context())

    def go_on(self, kept: list[Entry]) -> None:
        """Let what was kept from a paused node run now."""
        for entry in kept:
            if type(entry[0]) is Context:
                self.loop.queue.push(entry)
            else:
                self.loop.queue.push_callback(entry)
        if self.loop.network is not None:
            self.loop.network.look_again()

    def has_ended(self, task: Any) -> bool:
        """Whether a task of `boot` has ended."""
        return bool(task.done())

    def look_at(self, task: Any) -> None:
        """Raise what a task of `boot` has ended with, if it is an error."""
        task.result()

    async def change(self, node: Node, going_on: list[Any]) -> None:
        """Wait until `node.tell` is called, or one of these tasks of `boot` ends."""
        changed = self.loop.create_future()
        node.told.append(lambda: None if changed.done() else changed.set_result(None))
        for task in going_on:
            task.add_done_callback(node.tell)
        await changed


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
    # anyio forgets a task when it has ended; until then its notes, which know the task, keep it.
    anyio_notes = getattr(sys.modules.get("anyio._backends._asyncio"), "_task_states", None)
    if anyio_notes is not None:
        anyio_notes.pop(task, None)


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
