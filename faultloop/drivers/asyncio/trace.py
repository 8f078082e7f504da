"""Watching a run in full: names, sites, events, wake-ups, and the faults of a plan at their addresses.

This is the slower of the two speeds. It sees every step; what it costs is a walk over the suspended frames and a row.
"""

from __future__ import annotations

from asyncio import tasks as asyncio_tasks
from collections.abc import Sequence
from typing import Any, cast

from faultloop.drivers.asyncio.faults import Injector, has_deadline
from faultloop.drivers.asyncio.handles import WAKERS, BuiltinMethod, StepCallback, Task
from faultloop.drivers.asyncio.loop import Loop
from faultloop.drivers.asyncio.turns import HELD
from faultloop.drivers.facts import Wait
from faultloop.drivers.frames import SiteTable
from faultloop.drivers.looking import Guide
from faultloop.drivers.ready import ABSENT, Entry
from faultloop.engine.paths import TaskNode, bare_function, is_default_name
from faultloop.engine.plan import NOTHING_DUE, Due, Plan
from faultloop.engine.recorder import Recorder, Row
from faultloop.model.address import format_kind
from faultloop.model.points import AwaitPoint, Phase
from faultloop.model.text import storable


class _State:
    """What the tracer keeps of one task."""

    __slots__ = ("counts", "due", "is_started", "nth", "site", "task", "wait", "woken_faults")

    def __init__(self, task: Any) -> None:
        self.task = task
        self.is_started = False
        self.counts: dict[tuple[str, str], int] = {}
        self.site = -1
        self.nth = 0
        self.due: Due = NOTHING_DUE
        self.woken_faults: list[int] = []
        self.wait: Wait | None = None


class TracedLoop(Loop):
    """A loop whose tracer hears of every task made and every wake-up."""

    tracer: Tracer

    def create_task(self, coro: Any, *, name: object = None, context: Any = None, **extra: Any) -> Any:
        """A task of ours, made known to the tracer."""
        task = super().create_task(coro, name=name, context=context, **extra)
        self.tracer.made(task, coro)
        return task

    def note(self, text: str, *, own: bool = False) -> None:
        """Something befell the run that no task did; or, `own`, the program says it, in the task that runs."""
        self.tracer.note(text, own=own)

    def call_soon(  # type: ignore[override]  # as Loop.call_soon
        self, callback: Any, arg: Any = ABSENT, /, *more: Any, context: Any = None
    ) -> Any:
        """Queue a callback; a wake-up is told to the tracer, with who caused it."""
        kind: Any = type(callback)  # pyright: ignore[reportUnknownVariableType]
        if kind is StepCallback:
            self._push((context, callback, arg))
            return None
        if kind is BuiltinMethod and type(arg) in WAKERS and type(callback.__self__) is Task:
            self.tracer.woken(callback.__self__)
            self._push((context, callback, arg))
            return None
        return super().call_soon(callback, arg, *more, context=context)


def _record_nothing(row: Row) -> None:
    """Where events go once a run is over."""


class Tracer:
    """The watcher of a traced run."""

    def __init__(
        self,
        loop: TracedLoop,
        plan: Plan | None,
        recorder: Recorder,
        sites: SiteTable,
        *,
        collect: bool = False,
        guide: Guide | None = None,
    ) -> None:
        self.next_stop = 0
        self.injector = Injector(loop)
        self.waits: list[Wait] | None = [] if collect else None
        self.swallowed: list[TaskNode] = []
        self._guide = guide
        self._loop = loop
        self._plan = plan
        self._recorder = recorder
        self._sites = sites
        self._log = recorder.log
        self._running: TaskNode | None = None
        self._foreign: dict[int, tuple[Any, TaskNode]] = {}
        self._racing: dict[int, Any] = {}
        self._eager: list[Any] = []
        loop.tracer = self
        loop.watcher = self

    # Tasks

    @property
    def nodes(self) -> Sequence[TaskNode]:
        """All tasks made so far, in that order."""
        return self._recorder.nodes

    def node_of(self, task: Any, coroutine: Any = None) -> TaskNode:
        """The node of a task; made now if nobody saw the task being made."""
        try:
            node = task.node
        except AttributeError:
            known = self._foreign.get(id(task))
            node = known[1] if known is not None else self._new_node(task, coroutine or task.get_coro())
        assert isinstance(node, TaskNode)
        return node

    def made(self, task: Any, coroutine: Any) -> None:
        """A task was made by the running one. coroutine: asked of an eager task that is done, 3.12.1 would crash."""
        node = self.node_of(task, coroutine)
        if self._guide is not None:
            self._guide.made(getattr(task, "ordinal", 0))
        if type(task) is not Task or not self._loop._eager:
            return
        state = self._state(node)
        if not state.is_started:  # its first step ran inside its parent's
            state.is_started = True
            self._eager.append(task)

    def _new_node(self, task: Any, coroutine: Any) -> TaskNode:
        label = getattr(coroutine, "__qualname__", None) or type(coroutine).__name__
        current = asyncio_tasks.current_task(self._loop) if self._running is not None else None
        parent = self._running if current is None or current is task else self.node_of(current)
        node = self._recorder.node(bare_function(label), parent)
        node.scratch = _State(task)
        if isinstance(task, Task):
            task.node = node
        else:
            self._foreign[id(task)] = (task, node)
        life = getattr(task, "home", None)
        node.home = life.node.name if life is not None else ""
        name = getattr(task, "label", "") or task.get_name()
        if not is_default_name(name):
            node.rename(name)
        by = parent.index if parent is not None else -1
        self._log((self._loop.step, self._loop.now, "spawn", node.index, by, -1, 0, ""))
        return node

    def _state(self, node: TaskNode) -> _State:
        state = node.scratch
        assert isinstance(state, _State)
        return state

    def note(self, text: str, *, own: bool = False) -> None:
        """Keep a note. own: it is the running task's."""
        task = self._running.index if own and self._running is not None else -1
        self._log((self._loop.step, self._loop.now, "note", task, -1, -1, 0, storable(text)))

    def woken(self, task: Any) -> None:
        """A task's wait is over: somebody set its result."""
        node = self.node_of(task)
        by = self._running.index if self._running is not None else -1
        self._log((self._loop.step, self._loop.now, "wake", node.index, by, -1, 0, ""))

    # Steps

    def before_step(self, task: Any, argument: Any, entry: Entry) -> Any:
        """Deliver what is due right before this step, to this task or to one that races it."""
        node: TaskNode = task.node if type(task) is Task else self.node_of(task)
        state: _State = cast(Any, node).scratch
        if not state.is_started:
            self._starts(task, node, state)
        if self._plan is not None:
            argument = self._before_planned(task, node, state, argument, entry)
            if argument is HELD:
                return HELD
        if state.wait is not None:
            state.wait.woken = self._loop.step
            state.wait = None
        self._running = node
        return argument

    def _starts(self, task: Any, node: TaskNode, state: _State) -> None:
        state.is_started = True
        label = getattr(task, "label", "") if type(task) is Task else task.get_name()
        if label and not is_default_name(label):
            node.rename(label)
        node.settle()
        if self._plan is not None:
            state.due = self._plan.started(node, task.get_name())

    def _before_planned(self, task: Any, node: TaskNode, state: _State, argument: Any, entry: Entry) -> Any:
        if state.due:
            for number in state.due.rivals:
                self._race(number)
            for number in state.due.victims:
                self._racing.pop(number, None)
            state.due = NOTHING_DUE
        if state.woken_faults:
            argument = self._strike_woken(task, node, argument)
        if self.injector.is_busy:
            argument = self.injector.before_step(task, argument, entry)
            if argument is HELD:
                self._log((self._loop.step, self._loop.now, "hold", node.index, -1, state.site, 0, ""))
        return argument

    def after_step(self, task: Any) -> None:
        """Record where the task waits now, and deliver what is due there."""
        self._running = None
        if self._plan is not None:
            self.injector.release_due()
        if self._eager:
            self._settle_eager()
        self._settled(task)
        if self._guide is not None:
            self._guide.ran(getattr(task, "ordinal", 0), 0, ())

    def _settle_eager(self) -> None:
        newly, self._eager = self._eager, []
        for child in newly:
            self._settled(child)

    def _settled(self, task: Any) -> None:
        loop = self._loop
        node: TaskNode = task.node if type(task) is Task else self.node_of(task)
        state: _State = cast(Any, node).scratch
        if task.done():
            state.site = -1
            self._ended(task, node)
            return
        number = self._sites.number(task)
        key = self._sites.keys[number]
        counts = state.counts
        nth = counts.get(key, 0) + 1
        counts[key] = nth
        state.site = number
        state.nth = nth
        self._log((loop.step, loop.now, "await", node.index, -1, number, nth, ""))
        if self.waits is not None:
            is_bare = cast(Any, task)._fut_waiter is None
            state.wait = Wait(
                node,
                number,
                nth,
                loop.step,
                is_bare=is_bare,
                has_deadline=has_deadline(loop, task),
                ordinal=getattr(task, "ordinal", 0),
                name=task.get_name(),
                home=node.home,
            )
            self.waits.append(state.wait)
        if self._plan is not None:
            state.due = due = self._plan.waits(node, task.get_name(), *key)
            if due:
                self._arm(task, node, state, due)

    def _ended(self, task: Any, node: TaskNode) -> None:
        if task.cancelled():
            how = "cancelled"
        else:
            error = getattr(task, "_exception", None)  # looking with exception() would count as retrieving it
            how = type(error).__name__ if error is not None else "result"
            if error is None and (task.is_still_cancelled if type(task) is Task else task.cancelling()):
                self.swallowed.append(node)
        self._log((self._loop.step, self._loop.now, "end", node.index, -1, -1, 0, how))

    def after_callback(self, runner: Any) -> None:
        """Let go what a deadline held, and record the first waits of eager tasks that the callback made."""
        self._running = None
        self.injector.release_due()
        if self._eager:
            self._settle_eager()

    def time_moved(self) -> None:
        """Record the new time."""
        self._log((self._loop.step, self._loop.now, "time", -1, -1, -1, 0, ""))

    def checkpoint(self) -> None:
        """Keep the recording within its limit."""
        self._recorder.check_size()
        self._log = self._recorder.log

    def stop(self) -> None:
        """The run is over: what ending the leftovers does is not recorded."""
        self._log = self._recorder.log = _record_nothing
        self._loop.watcher = None

    # Faults

    def _arm(self, task: Any, node: TaskNode, state: _State, due: Due) -> None:
        assert self._plan is not None
        for number in due.victims:
            at = self._plan[number].at
            if at.phase is Phase.PARKED:
                self._deliver(number, task, node)
            elif at.phase is Phase.WOKEN:
                state.woken_faults.append(number)
            else:
                self._racing[number] = task

    def _race(self, number: int) -> None:
        """The step that this fault races is about to run: hit the victim, if it still waits."""
        victim = self._racing.pop(number, None)
        if victim is not None and not victim.done():
            self._deliver(number, victim, self.node_of(victim))

    def _strike_woken(self, task: Any, node: TaskNode, argument: Any) -> Any:
        state = self._state(node)
        numbers, state.woken_faults = state.woken_faults, []
        for number in numbers:
            argument = self._deliver(number, task, node, argument, is_woken=True)
        return argument

    def _deliver(
        self, number: int, task: Any, node: TaskNode, argument: Any = ABSENT, *, is_woken: bool = False
    ) -> Any:
        plan = self._plan
        assert plan is not None
        fault = plan[number].fault
        argument, obstacle = self.injector.strike(fault, task, argument, is_woken=is_woken)
        if obstacle:
            plan.obstructed(number, obstacle)
            return argument
        plan.landed(number)
        state = self._state(node)
        function, awaited = self._sites.keys[state.site]
        point = AwaitPoint(node.path, function, awaited, state.nth)
        self._recorder.fault(number, format_kind(fault), point, node, step=self._loop.step, t=self._loop.now)
        return argument
