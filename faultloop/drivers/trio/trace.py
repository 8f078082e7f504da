"""Watching a trio run in full: names, sites, events, wake-ups, and the faults of a plan at their addresses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import trio
import trio.abc

from faultloop.drivers.facts import Wait
from faultloop.drivers.frames import SiteTable
from faultloop.drivers.looking import Guide
from faultloop.drivers.trio import private
from faultloop.drivers.trio.faults import Injector, cancelled_in_words, deadline_scope
from faultloop.drivers.trio.host import Host
from faultloop.drivers.trio.nodes import life_of
from faultloop.drivers.trio.sites import coroutine_label, given_name, site_number
from faultloop.engine.paths import TaskNode
from faultloop.engine.plan import NOTHING_DUE, Due, Plan
from faultloop.engine.recorder import Recorder, Row
from faultloop.model.address import format_kind
from faultloop.model.points import AwaitPoint, Phase
from faultloop.model.text import storable


class Ears(trio.abc.Instrument):
    """Hears of tasks made, woken and ended. Errors are kept for the host: trio would log and forget them."""

    def __init__(
        self,
        host: Host,
        made: Callable[[Any], None],
        woken: Callable[[Any], None] | None = None,
        ended: Callable[[Any], None] | None = None,
    ) -> None:
        self._host = host
        self._told = {"made": made, "woken": woken, "ended": ended}

    def _tell(self, what: str, task: Any) -> None:
        told = self._told[what]
        if told is None or not self._host.is_of_program(task) or ((life := life_of(task)) is not None and life.is_over):
            return
        try:
            told(task)
        except BaseException as error:
            self._host.broken = self._host.broken or error

    def task_spawned(self, task: Any) -> None:
        """A task was made."""
        self._tell("made", task)

    def task_scheduled(self, task: Any) -> None:
        """A task is ready."""
        self._tell("woken", task)

    def task_exited(self, task: Any) -> None:
        """A task has ended."""
        self._tell("ended", task)


class _State:
    """What the tracer keeps of one task."""

    __slots__ = ("counts", "due", "has_ended", "is_started", "node", "nth", "site", "wait")

    def __init__(self, node: TaskNode) -> None:
        self.node = node
        self.is_started = False
        self.has_ended = False
        self.counts: dict[tuple[str, str], int] = {}
        self.site = -1
        self.nth = 0
        self.due: Due = NOTHING_DUE
        self.wait: Wait | None = None


def _record_nothing(row: Row) -> None:
    """Where events go once a run is over."""


class Tracer:
    """The watcher of a traced run."""

    def __init__(
        self,
        host: Host,
        plan: Plan | None,
        recorder: Recorder,
        sites: SiteTable,
        *,
        collect: bool = False,
        guide: Guide | None = None,
    ) -> None:
        self.next_stop = 0
        self.injector = Injector(host)
        self.waits: list[Wait] | None = [] if collect else None
        self.ears = Ears(host, self.made, self.woken, self.ended)
        self._guide = guide
        self._host = host
        self._plan = plan
        self._recorder = recorder
        self._sites = sites
        self._log = recorder.log
        self._running: Any = None
        self._states: dict[Any, _State] = {}
        self._racing: dict[int, Any] = {}
        self._woken: list[TaskNode] = []
        self._errors_before = 0
        host.watcher = self

    # Tasks

    @property
    def nodes(self) -> Sequence[TaskNode]:
        """All tasks made so far, in that order."""
        return self._recorder.nodes

    def ordinal_of(self, task: Any) -> int:
        """Place in the run's order of creation, from 1."""
        return self._states[task].node.index + 1

    def path_of(self, task: Any) -> str:
        """The path of a task of the program; empty for one of trio's own."""
        state = self._states.get(task)
        return state.node.path if state is not None else ""

    def made(self, task: Any) -> None:
        """A task was made by the running one."""
        by = self._states.get(self._running)
        parent = by if by is not None else self._states.get(getattr(task.parent_nursery, "parent_task", None))
        node = self._recorder.node(coroutine_label(task), parent.node if parent is not None else None)
        life = life_of(task)
        node.home = life.node.name if life is not None else ""
        if name := given_name(task):
            node.rename(name)
        self._states[task] = _State(node)
        if self._guide is not None:
            self._guide.made(node.index + 1)
        self._event("spawn", node, by=by.node.index if by is not None else -1)

    def woken(self, task: Any) -> None:
        """A task's wait is over: somebody, or its deadline, made it ready."""
        state = self._states.get(task)
        if state is None or not state.is_started or task is self._running:
            return
        self._woken.append(state.node)

    def ended(self, task: Any) -> None:
        """A task has ended, in the middle of what is still its step."""
        state = self._states.get(task)
        if state is not None:
            state.has_ended = True

    def _settle_woken(self) -> None:
        """Record the wake-ups of a step by order of creation: trio keeps who waits in sets, whose order is none."""
        by = self._states.get(self._running)
        for node in sorted(self._woken, key=lambda node: node.index):
            self._event("wake", node, by=by.node.index if by is not None else -1)
        self._woken.clear()

    def _event(
        self, kind: str, node: TaskNode | None, *, by: int = -1, site: int = -1, nth: int = 0, text: str = ""
    ) -> None:
        host = self._host
        self._log((host.step, host.now, kind, node.index if node is not None else -1, by, site, nth, text))

    # Steps

    def before_step(self, task: Any) -> None:
        """Deliver what is due right before this step to a task that it races."""
        self._settle_woken()
        state = self._states[task]
        for kept in self.injector.newly_kept:
            self._event("hold", self._states[kept].node, site=self._states[kept].site)
        self.injector.newly_kept.clear()
        if not state.is_started:
            state.is_started = True
            state.node.settle()
            if self._plan is not None:
                state.due = self._plan.started(state.node, task.name)
        if state.due:
            for number in state.due.rivals:
                self._race(number)
            for number in state.due.victims:
                self._racing.pop(number, None)
            state.due = NOTHING_DUE
        if state.wait is not None:
            state.wait.woken = self._host.step
            state.wait = None
        self._running = task
        self._errors_before = private.errors_beside(task)

    def after_step(self, task: Any) -> None:
        """Record where the task waits now, and deliver what is due there."""
        self._settle_woken()
        self._running = None
        self._settled(task, self._states[task])
        if self._guide is not None:
            self._guide.ran(self.ordinal_of(task), 0, ())

    def _settled(self, task: Any, state: _State) -> None:
        node = state.node
        if state.has_ended:
            state.site = -1
            self._event("end", node, text=self._how_ended(task))
            return
        number = site_number(self._sites, task)
        key = self._sites.keys[number]
        state.counts[key] = state.nth = state.counts.get(key, 0) + 1
        state.site = number
        self._event("await", node, site=number, nth=state.nth)
        if self.waits is not None:
            state.wait = Wait(
                node,
                number,
                state.nth,
                self._host.step,
                is_bare=private.is_scheduled(task),
                has_deadline=deadline_scope(task) is not None,
                name=task.name,
                home=node.home,
            )
            self.waits.append(state.wait)
        if self._plan is not None:
            state.due = due = self._plan.waits(node, task.name, *key)
            for victim in due.victims:
                if self._plan[victim].at.phase is Phase.PARKED:
                    self._deliver(victim, task, state)
                else:
                    self._racing[victim] = task

    def _how_ended(self, task: Any) -> str:
        nodes = self._host.nodes
        error = private.error_of(self._host.runner, task, self._errors_before)
        if error is None and nodes is not None:
            error = nodes.error_of(task)
        if error is None:
            return "result"
        return storable(cancelled_in_words(error)) if isinstance(error, trio.Cancelled) else type(error).__name__

    def time_moved(self) -> None:
        """Record the new time."""
        self._settle_woken()
        self._event("time", None)

    def note(self, text: str, *, own: bool = False) -> None:
        """Keep a note. own: it is the running task's."""
        state = self._states.get(self._running) if own else None
        task = state.node.index if state is not None else -1
        self._log((self._host.step, self._host.now, "note", task, -1, -1, 0, storable(text)))

    def checkpoint(self) -> None:
        """Keep the recording within its limit."""
        self._recorder.check_size()
        self._log = self._recorder.log

    def stop(self) -> None:
        """The run is over: what ending the leftovers does is not recorded."""
        self._log = self._recorder.log = _record_nothing
        self._host.watcher = None

    # Faults

    def _race(self, number: int) -> None:
        """The step that this fault races is about to run: hit the victim, if it still waits."""
        victim = self._racing.pop(number, None)
        if victim is not None and not self._states[victim].has_ended:
            self._deliver(number, victim, self._states[victim])

    def _deliver(self, number: int, task: Any, state: _State) -> None:
        plan = self._plan
        assert plan is not None
        fault = plan[number].fault
        if obstacle := self.injector.strike(fault, task):
            plan.obstructed(number, obstacle)
            return
        plan.landed(number)
        function, awaited = self._sites.keys[state.site]
        point = AwaitPoint(state.node.path, function, awaited, state.nth)
        self._recorder.fault(number, format_kind(fault), point, state.node, step=self._host.step, t=self._host.now)
