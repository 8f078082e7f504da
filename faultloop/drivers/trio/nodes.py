"""Nodes on trio: which tasks are a life's, and how they are let go.

A task belongs to the life that its context names. One that is gone is taken out of trio's books and its coroutine is
buried (`coffins`); whatever makes it ready afterwards, the host never gives it to trio. A nursery of a living task that
it was a child of waits for it until the run is torn down.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import trio

from faultloop.drivers.coffins import bury
from faultloop.drivers.nodes import LIFE, Boot, Life, Node
from faultloop.drivers.trio import forgetting, private
from faultloop.drivers.trio.sites import coroutine_label, given_name

if TYPE_CHECKING:
    from faultloop.drivers.trio.host import Host

_HOLD_SOCKETS = ("socket", "_trio_socket", "_raw_socket")
"""Where streams and listeners of trio and anyio keep what the kernel closes of a process."""


class _Work:
    """What a node was started with: its task, and how that has ended."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.task: Any = None
        self.has_ended = False
        self.error: Exception | None = None
        self.is_looked_at = False


class Nodes:
    """The nodes of one run, and what keeps their steps from running. Present from the first node on."""

    def __init__(self, host: Host) -> None:
        self.all: dict[str, Node] = {}
        self._host = host
        self._works: dict[Any, _Work] = {}
        """By task: what runs, and what has ended in an error at which nobody has looked."""
        self._missed: list[tuple[Any, Any]] = []
        """Nurseries of living tasks that wait for a task that is gone, and that task."""
        self._is_over = False

    @property
    def now(self) -> int:
        """Virtual nanoseconds."""
        return self._host.now

    def node(self, name: str) -> Node:
        """The node of this name, made now if there is none."""
        if name not in self.all:
            self.all[name] = Node(self, name)
        return self.all[name]

    def keeps(self, task: Any) -> bool:
        """Whether a ready task belongs to a life that is over, or to a paused node, which keeps it."""
        life = life_of(task)
        if life is None:
            return False
        if life.is_over:
            return True
        if life.node.is_paused:
            life.node.kept.append(task)
            return True
        return False

    def listens(self, waiter: Any) -> bool:
        """Whether a task that waits for a descriptor is one that may run now."""
        life = life_of(waiter.task)
        return life is None or not (life.is_over or life.node.is_paused)

    def scope_of(self, task: Any) -> Any:
        """The scope around all of a task that a node was started with; None for any other task."""
        work = self._works.get(task)
        return work.scope if work is not None else None

    def error_of(self, task: Any) -> Exception | None:
        """The error that a task of `boot` has ended with."""
        work = self._works.get(task)
        return work.error if work is not None else None

    def unseen(self) -> list[Exception]:
        """Errors that nobody has looked at, by the order of the tasks that they ended."""
        works = sorted(self._works.items(), key=lambda pair: private.counter(pair[0]))
        return [work.error for _, work in works if work.error is not None and not work.is_looked_at]

    def alive(self) -> list[Any]:
        """The tasks of lives that are not over, in order of creation."""
        mine = [task for task in self._host.runner.tasks if (life := life_of(task)) is not None and not life.is_over]
        return sorted(mine, key=private.counter)

    def put_to_rest(self) -> None:
        """The run is over: paused nodes go on, nothing starts again, and nobody waits for who is gone."""
        self._is_over = True
        for node in self.all.values():
            node.resume()
        for nursery, task in self._missed:
            forgetting.forget_child(nursery, task)
        self._missed.clear()

    # As Grounds

    def boot(self, life: Life, boot: Boot) -> Any:
        """Make a task within a life: a child of trio itself, so that no nursery of the program's waits for it."""
        function, args, name, given_in = boot
        work = _Work()

        def make() -> Coroutine[Any, Any, None]:
            coroutine: Any = self._at_work(life, work, function, args)
            coroutine.__qualname__ = getattr(function, "__qualname__", name)  # what it is called after
            return coroutine  # type: ignore[no-any-return]

        context = given_in.copy()  # that of the start and not of the restart: it says on which host the node is
        context.run(LIFE.set, life)
        work.task = trio.lowlevel.spawn_system_task(make, name=name, context=context)
        self._works[work.task] = work
        return work

    async def _at_work(self, life: Life, work: _Work, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            with work.scope:
                await function(*args)
        except Exception as error:
            work.error = error
        finally:
            work.has_ended = True
            if work.error is None:
                del self._works[work.task]
            life.node.tell()

    def end(self, life: Life) -> None:
        """Let all that belongs to a life be gone: tasks, deadlines, sockets."""
        runner = self._host.runner
        running = forgetting.running_task()
        mine = {task for task in runner.tasks if life_of(task) is life and task is not running}
        suspended: list[Any] = []
        for task in sorted(mine, key=private.counter):
            nursery = task.parent_nursery
            if nursery is not None and nursery.parent_task not in mine and task not in self._works:
                self._missed.append((nursery, task))
            elif nursery is not None:
                forgetting.forget_child(nursery, task)
            suspended += bury(task.coro)
            self._works.pop(task, None)
        forgetting.forget_tasks(runner, mine)
        for each in suspended:
            runner.asyncgens.alive.discard(each)
            for held in gc.get_referents(each):
                _close_sockets(held)

    def later(self, nanoseconds: int, action: Callable[[], None]) -> None:
        """Do something after a virtual time, as nobody's code."""
        self._host.later(nanoseconds, lambda: None if self._is_over else action())

    def go_on(self, kept: list[Any]) -> None:
        """Let what was kept from a paused node run now."""
        private.runq(self._host.runner).extend(kept)
        if self._host.reach is not None:
            self._host.reach.network.look_again()

    def has_ended(self, task: _Work) -> bool:
        """Whether a task of `boot` has ended."""
        return task.has_ended

    def look_at(self, task: _Work) -> None:
        """Raise what a task of `boot` has ended with, if it is an error."""
        task.is_looked_at = True
        if task.error is not None:
            raise task.error

    async def change(self, node: Node, going_on: list[_Work]) -> None:
        """Wait until `node.tell` is called, or one of these tasks of `boot` ends, which does so."""
        changed = trio.Event()
        node.told.append(changed.set)
        await changed.wait()


def life_of(task: Any) -> Life | None:
    """The life that a task belongs to."""
    life: Life | None = task.context.get(LIFE)
    return life


def task_here(host: Host) -> tuple[str, str]:
    """The own part of the path of the task that runs, and its node's name; empty where there is none.

    Without `#k` in a run that is not recorded.
    """
    try:
        task = trio.lowlevel.current_task()
    except RuntimeError:
        return "", ""
    life = life_of(task)
    path = host.watcher.path_of(task) if host.watcher is not None else ""
    name = path.rpartition("/")[2] or given_name(task) or coroutine_label(task)
    return name, life.node.name if life is not None else ""


def _close_sockets(held: object) -> None:
    """Close what the kernel closes of a process. Who waits for one of them is gone, or hears of it."""
    if type(held).__module__.partition(".")[0] not in ("trio", "anyio"):
        return
    for each in (held, *(getattr(held, name, None) for name in _HOLD_SOCKETS)):
        if isinstance(each, trio.socket.SocketType):
            each.close()
