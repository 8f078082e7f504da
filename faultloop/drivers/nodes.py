"""Machines within a run, of whatever driver: what runs on them, their lives, their clocks.

A node lives, may die, and may live again. What belongs to a life: the tasks made within it, and every callback that one
of them left with the loop. A dead life's tasks never take another step and none of their code runs, no `finally` either
(see `coffins`); nothing tells those that wait for them. A paused node's steps and callbacks are kept, and run when it
goes on, however late that is. How that is done to tasks is the driver's part: see `Grounds`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Protocol

from faultloop.drivers.boundary import declare

declare("crash and pause of a node", "controlled", "its tasks end without any code run, or stand still", "world.node")

NO_NODE = "the task runs on no node: start it with world.node(name).start(...)"

Boot = tuple[Callable[..., Coroutine[Any, Any, object]], tuple[Any, ...], str, Context]
"""What a node runs when it starts: a function, its arguments, the task's name, and the context that it was given in."""


class Life:
    """One life of a node, from its start to its crash."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.is_over = False
        self.tasks: list[Any] = []
        """All that were made within it and have not ended, when last looked at, where the driver notes them."""
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


class Grounds(Protocol):
    """What nodes stand on: the run, as its driver makes it."""

    @property
    def now(self) -> int:
        """Virtual nanoseconds."""
        ...

    def boot(self, life: Life, boot: Boot) -> Any:
        """Make a task within a life."""
        ...

    def end(self, life: Life) -> None:
        """Let all that belongs to a life be gone, with no code of its own run."""
        ...

    def later(self, nanoseconds: int, action: Callable[[], None]) -> None:
        """Do something after a virtual time, as nobody's code."""
        ...

    def go_on(self, kept: list[Any]) -> None:
        """Let what was kept from a paused node run now."""
        ...

    def has_ended(self, task: Any) -> bool:
        """Whether a task of `boot` has ended."""
        ...

    def look_at(self, task: Any) -> None:
        """Raise what a task of `boot` has ended with, if it is an error."""
        ...

    async def change(self, node: Node, going_on: list[Any]) -> None:
        """Wait until `node.tell` is called, or one of these tasks of `boot` ends."""
        ...


class Node:
    """A machine: what runs on it, its clock, and whether it is up."""

    def __init__(self, grounds: Grounds, name: str) -> None:
        self._grounds = grounds
        self.name = name
        self.life: Life | None = Life(self)
        self.is_paused = False
        self.kept: list[Any] = []
        """What would have run while it was paused, in the driver's own terms."""
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
        self.told: list[Callable[[], None]] = []
        """Called, once, when something about it changes."""

    @property
    def wall_ahead(self) -> int:
        """How far its wall clock is ahead now, in nanoseconds."""
        return self.wall_offset + round(self._grounds.now * self.wall_drift)

    def start(self, function: Callable[..., Coroutine[Any, Any, object]], args: tuple[Any, ...], name: str) -> Any:
        """Run something on it, now and whenever it starts again. Returns the task."""
        boot = (function, args, name, copy_context())
        self.boots.append(boot)
        return self._boot(boot)

    def _boot(self, boot: Boot) -> Any:
        assert self.life is not None, "a node that is down runs nothing"
        task = self._grounds.boot(self.life, boot)
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
        self._grounds.end(life)
        for hook in life.at_end:
            hook()
        self.tell()

    def restart(self) -> None:
        """Start it again, if it is down: everything it was started with, anew."""
        if self.life is not None:
            return
        self.life = Life(self)
        for hook in self.at_restart:
            hook()
        for boot in self.boots:
            self._boot(boot)
        self.tell()

    def later(self, nanoseconds: int, action: Callable[[], None]) -> None:
        """Do something to it from outside, after a virtual time."""
        self._grounds.later(nanoseconds, action)

    def pause(self) -> None:
        """Let it stand still: time goes by, and nothing on it runs."""
        self.is_paused = self.life is not None

    def resume(self) -> None:
        """Let it go on, with all that became due in between."""
        if not self.is_paused:
            return
        self.is_paused = False
        kept, self.kept = self.kept, []
        self._grounds.go_on(kept)

    async def finished(self) -> None:
        """Wait until everything it was started with has ended, in this life or a later one. Raises what they raise."""
        while True:
            going_on = [] if self.life is None else [t for t in self.life.started if not self._grounds.has_ended(t)]
            if self.life is not None and not going_on:
                for task in self.life.started:
                    self._grounds.look_at(task)
                return
            await self._grounds.change(self, going_on)

    def tell(self, _: object = None) -> None:
        """Something about it has changed."""
        told, self.told = self.told, []
        for wake in told:
            wake()


def crash(life: Life | None, restart: int) -> str:
    """Crash the node that a task runs on. restart: nanoseconds, 0 for never. Returns why it cannot be, or nothing."""
    if life is None or life.is_over:
        return NO_NODE if life is None else "the node was down"
    life.node.crash()
    if restart:
        life.node.later(restart, life.node.restart)
    return ""


def pause(life: Life | None, nanoseconds: int) -> str:
    """Pause the node that a task runs on. Returns why it could not be, or nothing."""
    if life is None or life.is_over:
        return NO_NODE if life is None else "the node was down"
    life.node.pause()
    life.node.later(nanoseconds, life.node.resume)
    return ""
