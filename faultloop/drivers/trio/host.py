"""The host of a trio run: it owns the clock and the order, and trio's own loop does each step.

Rule 1: trio's loop is a generator that yields where it would wait. Between two of its batches everything is the host's:
what is ready, what time it is, which deadlines have passed.
Rule 2: a turn is what was ready when it began, which is what trio calls a batch. Calm, a turn goes by order of
creation, as in trio's own deterministic mode: trio promises none, and that of waking hangs on addresses, through sets.
Rule 3: a turn that nobody watches is one batch; one that is watched, or drawn step by step, is a batch a step. It comes
to the same: deadlines pass and descriptors are looked at between turns only.
Rule 4: time is integer nanoseconds, and moves when nothing is ready, or after `spin_turns` turns at one instant.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import trio

from faultloop.drivers.boundary import declare
from faultloop.drivers.ready import ABSENT, WINDOW, AnyOrder, Ordering, ReadyQueue
from faultloop.drivers.settings import Settings
from faultloop.drivers.trio import private
from faultloop.drivers.trio.clock import VirtualClock
from faultloop.drivers.trio.errands import Errands
from faultloop.drivers.trio.network import Reach, connect
from faultloop.drivers.trio.nodes import Nodes
from faultloop.drivers.trio.threads import Jobs
from faultloop.drivers.trio.turns import NO_STOP, OLDEST, Keeper, Watcher, hurry
from faultloop.errors import Deadlock, Livelock, OverLimit, UsageError
from faultloop.model.faults import NANOSECONDS
from faultloop.model.text import counted

declare(
    "trio.sleep, deadlines, trio.current_time", "controlled", "virtual time: it moves when nothing is ready", on="trio"
)

CHECK_STEPS = 4_096
COLLECT_STEPS = 1 << 17
LAST_POLL_SECONDS = 0.02
"""For how long descriptors are watched before a deadlock is told."""


class Host:
    """Runs one scenario. step, now: how far it is, in steps of the program's tasks and in virtual nanoseconds."""

    def __init__(self, settings: Settings) -> None:
        limits = settings.limits
        self.limits = limits
        self.clock = VirtualClock(self)
        if settings.threads == "paced":
            raise UsageError(
                'threads="paced" is the asyncio driver\'s: on trio they are "inline" or "real"', code="FL531"
            )
        self.errands = Errands()
        self.jobs = Jobs(settings.threads, self.later)
        self.queue = ReadyQueue()
        self.ordering: Ordering | None = (
            AnyOrder(self.queue, settings.choose, hold=settings.hold)
            if settings.order == "any" and settings.choose is not None
            else None
        )
        """What draws step by step, if the order is of that kind."""
        self.draw = settings.choose if settings.order == "batch" else None
        """Draws a turn at once, if the order is of that kind."""
        self.choose = settings.choose
        """Answers all other questions of the run."""
        self.watcher: Watcher | None = None
        self.keeper: Keeper | None = None
        self.step = 0
        self.turns_at_instant = 0
        self.nodes: Nodes | None = None
        self._make_network = settings.network
        self.reach: Reach | None = None
        """The way to the simulated network, if there is one."""
        self.broken: BaseException | None = None
        """An error that a watcher met inside trio, where it would be swallowed."""
        self.failure: BaseException | None = None  # what trio itself ended with, if it did: a system task has failed
        self.main_scope: Any = None  # what is cancelled for the main task, where it does more than run the scenario
        self.wall_end = time.perf_counter() + limits.wall_seconds
        self.virtual_end = round(min(limits.virtual_seconds, 1e9) * NANOSECONDS)
        self.has_ended = False
        self.next_check = min(CHECK_STEPS, limits.steps)
        self.loop: Any = None
        self._root: Any = None
        self.reaches_out: Callable[[], bool] = bool
        self.runner: Any = None
        self.plumbing: frozenset[Any] = frozenset()
        self._turn: Iterator[Any] = iter(())
        self.runs_batches = private.keeps_batches()

    @property
    def now(self) -> int:
        """Virtual nanoseconds."""
        return self.clock.now

    @property
    def slept_inline(self) -> int:
        """Nanoseconds by which the thread's job that runs inline is ahead."""
        return self.jobs.slept

    def pass_time(self, nanoseconds: int) -> None:
        """Let time pass within a step, as a call that blocks does; a thread's job blocks only itself."""
        if self.jobs.inline:
            self.jobs.slept += nanoseconds
        elif nanoseconds:
            self._move_to(self.now + nanoseconds)

    def grounds(self) -> Nodes:
        """What the run's machines stand on, from the first one on."""
        if self.nodes is None:
            self.nodes = Nodes(self)
        return self.nodes

    def note(self, text: str, *, own: bool = False) -> None:
        """Something befell the run that no task did; or, `own`, the program says it. A recorded run keeps it."""
        if self.watcher is not None:
            self.watcher.note(text, own=own)

    def later(self, nanoseconds: int, action: Callable[[], object]) -> None:
        """Have something done after a virtual time, whatever runs then."""
        self.errands.add(self.now + nanoseconds, action)

    async def answer_after(self, nanoseconds: int) -> None:
        """Wait for something that takes a virtual time, or none, and is no deadline, at an await that can fail."""
        task, runner = trio.lowlevel.current_task(), self.runner
        is_wanted = True

        def answer() -> None:
            if is_wanted:
                runner.reschedule(task)

        def give_up(_: object) -> trio.lowlevel.Abort:
            nonlocal is_wanted
            is_wanted = False
            return trio.lowlevel.Abort.SUCCEEDED

        self.later(nanoseconds, answer)
        await trio.lowlevel.wait_task_rescheduled(give_up)

    # The life of a run

    def start(self, coroutine: Any, instruments: list[Any]) -> None:
        """Set up trio, and go as far as the scenario's task being made. coroutine: the scenario's."""
        self._root = coroutine
        self.runner, self.loop = private.start(coroutine, self.clock, instruments)
        if self._make_network is not None:
            self.reach = connect(self, self._make_network)
        self.reaches_out = private.reaches_out(self.runner)
        self.loop.send(None)
        while self.runner.main_task is None and self.runner.main_task_outcome is None and not self.has_ended:
            self._resume()
        self.plumbing = frozenset(self.runner.tasks) - {self.runner.main_task}

    def is_of_program(self, task: Any) -> bool:
        """Whether a task is the scenario's own or one of those that came of it."""
        return task not in self.plumbing if self.plumbing else task.coro is self._root

    def run(self) -> None:
        """Run until the scenario has ended. Raises Deadlock, Livelock or OverLimit where it would not."""
        ready = private.runq(self.runner)
        while self.runner.main_task_outcome is None and not self.has_ended:
            self.turn()
            if ready:
                hurry(self)

    def end_calmly(self) -> None:
        """From here on nothing is drawn, seen or kept back."""
        taken = [*self._turn, *((task for _, _, task in self.ordering.queued()) if self.ordering is not None else ())]
        if self.keeper is not None:
            taken += self.keeper.release(NO_STOP)
        private.runq(self.runner).extend(task for task in taken if private.is_scheduled(task))
        if self.nodes is not None:
            self.nodes.put_to_rest()
        self._turn = iter(())
        self.broken = self.keeper = self.watcher = self.ordering = self.draw = self.choose = None

    def close(self) -> None:
        """End trio's loop, wherever it is."""
        self.loop.close()

    def turn(self) -> None:
        """Look outside, let deadlines pass, and run what is ready; or let time move."""
        runner = self.runner
        if self.reaches_out():
            private.poll(runner, 0)
        if self.reach is not None:
            self.reach.poll()
        keeper = self.keeper
        deadlines = private.deadlines(runner)
        if (
            self.errands.waiting
            or (keeper is not None and keeper.is_busy)
            or (deadlines and deadlines[0][0] <= self.clock.end_of_instant)
        ):
            self._pass_deadlines()
        tasks = self._take_ready()
        if self.has_ended:
            return
        ordering = self.ordering
        if ordering is not None:
            self._queue(tasks)
        count = len(tasks) if ordering is None else ordering.pending()
        if not count:
            self._idle()
            return
        end = self.step + count
        if end >= self.next_check:
            self._check_limits()
        watcher = self.watcher
        is_seen = watcher is not None and watcher.next_stop <= end
        if ordering is not None:
            self._step_by_step((task for _, _, task in ordering.turn()), watcher if is_seen else None)
        elif is_seen or not self.runs_batches or self.nodes is not None:
            self._step_by_step(iter(self.drawn(tasks)), watcher if is_seen else None)
        else:
            self._at_once(self.drawn(tasks), end)
        if self.broken is not None:
            raise self.broken
        self.turns_at_instant += 1
        if self.turns_at_instant > self.limits.spin_turns:
            self.leave_instant()

    def drawn(self, tasks: list[Any]) -> list[Any]:
        """The tasks of one turn in their order, drawn at once as BatchOrder draws it."""
        choose, count = self.draw, len(tasks)
        if choose is None or count < 2:
            return tasks
        tasks.reverse()  # the oldest last: taking it costs nothing
        pop = tasks.pop
        drawn = [pop(~choose(left if left < WINDOW else WINDOW)) for left in range(count, 1, -1)]
        drawn += tasks
        return drawn

    def _at_once(self, tasks: list[Any], end: int) -> None:
        tasks.reverse()  # trio takes from the end
        private.runq(self.runner).extend(tasks)
        self._resume()
        self.step = end

    def _step_by_step(self, tasks: Iterator[Any], watcher: Watcher | None) -> None:
        takes_newcomers = isinstance(self.ordering, AnyOrder)
        self._turn = tasks
        for task in tasks:
            self.step += 1
            if self._keeps(task):
                continue
            if watcher is not None:
                watcher.before_step(task)
                if self._keeps(task):  # a fault right before it took its node
                    continue
            self._resume_with(task)
            if watcher is not None:
                watcher.after_step(task)
            if takes_newcomers:
                self._queue(self._take_ready())

    def _keeps(self, task: Any) -> bool:
        """Whether the node of a task keeps it from running."""
        return self.nodes is not None and self.nodes.keeps(task)

    def _resume_with(self, task: Any) -> None:
        """One step of one task; what else is ready stays where it is."""
        ready = private.runq(self.runner)
        waiting = list(ready)
        ready.clear()
        ready.append(task)
        self._resume()
        ready.extendleft(reversed(waiting))

    def _resume(self) -> None:
        """Let trio run its batch."""
        try:
            self.loop.send(())
        except StopIteration:
            self.has_ended = True
        except BaseException:
            self.has_ended = True
            raise

    # What is ready

    def _take_ready(self) -> list[Any]:
        """Take what is ready off trio's hands, by order of creation; the run's own plumbing goes first, and at once."""
        ready = private.runq(self.runner)
        if not ready:
            return []
        tasks = sorted(ready, key=private.counter) if len(ready) > 1 else [ready[0]]
        ready.clear()
        if not self.plumbing.isdisjoint(tasks[:OLDEST]):
            ready.extend(task for task in tasks if task in self.plumbing)
            self._resume()
            ready.extend(task for task in tasks if task not in self.plumbing)
            return self._take_ready() if not self.has_ended else []
        if self.nodes is not None:
            tasks = [task for task in tasks if not self.nodes.keeps(task)]
        keeper = self.keeper
        if keeper is not None and keeper.is_busy:
            tasks = [task for task in tasks if not keeper.keeps(task)]
        return tasks

    def _queue(self, tasks: list[Any]) -> None:
        """Make tasks known to an ordering that draws step by step."""
        for task in tasks:
            self.queue.push((task.context, _run_by_trio, task))

    def _pass_deadlines(self) -> None:
        """Every deadline of this instant: what rounds to the same nanosecond passes together."""
        clock, runner = self.clock, self.runner
        self.errands.run(clock.now)
        if self.keeper is not None and self.keeper.is_busy:
            private.runq(runner).extend(self.keeper.release(clock.now))
        while (deadline := private.next_deadline(runner)) != math.inf and clock.has_come(deadline):
            private.expire(runner, clock.reach(deadline))

    # Time

    def _idle(self) -> None:
        """Nothing is ready: somebody may wait for just that; else take what comes from outside, else let time move."""
        runner = self.runner
        if rested := private.idle_waiters(runner):
            for task in rested:
                runner.reschedule(task)
            return
        if self.reach is not None and self.reach.poll():
            return
        if self.reaches_out() and private.poll(runner, 0):
            return
        poll = partial(private.poll, runner)
        if self.jobs.running and self.jobs.wait(poll, self.wall_end, self.limits.wall_seconds):
            return
        if self._advance():
            return
        if poll(LAST_POLL_SECONDS if self.reaches_out() else 0) or self.jobs.outwait(poll):
            return
        raise Deadlock(f"deadlock at {self.now / NANOSECONDS:.3f} s: no task can run and no timer is pending")

    def _advance(self) -> bool:
        """Move to the next instant at which something is due. Returns whether there was one."""
        deadline = private.next_deadline(self.runner)
        release = self.keeper.next_release() if self.keeper is not None else None
        instant = self.clock.instant_of(deadline) if deadline != math.inf else NO_STOP
        instant = min([instant, *(each for each in (release, self.errands.next_instant()) if each is not None)])
        if instant == NO_STOP:
            return False
        if instant > self.virtual_end:
            raise OverLimit(
                f"over limit: the next timer is due at {instant / NANOSECONDS:.3f} s of virtual time, "
                f"and {self.limits.virtual_seconds:g} s are allowed (limits.virtual_seconds)"
            )
        self._move_to(instant)
        return True

    def _move_to(self, instant: int) -> None:
        self.clock.move_to(instant)
        self.turns_at_instant = 0
        if self.watcher is not None:
            self.watcher.time_moved()

    def leave_instant(self) -> None:
        """Steps go on and on at one instant: let time move, and call it a livelock when there is none to move to."""
        if not self._advance() and self.turns_at_instant > self.limits.livelock_turns:
            raise Livelock(
                f"livelock at {self.now / NANOSECONDS:.3f} s: {counted(self.turns_at_instant, 'turn')} at one instant, "
                "and no timer is pending"
            )

    def _check_limits(self) -> None:
        limits = self.limits
        if self.step >= limits.steps:
            raise OverLimit(
                f"over limit: {counted(self.step, 'step')}, of which {limits.steps:,} may be made (limits.steps)"
            )
        if time.perf_counter() > self.wall_end:
            raise OverLimit(f"over limit: {limits.wall_seconds:g} s of real time used up (limits.wall_seconds)")
        if self.step % COLLECT_STEPS < CHECK_STEPS:
            gc.collect(1)
        if self.watcher is not None:
            self.watcher.checkpoint()
        self.next_check = min(self.step + CHECK_STEPS, max(limits.steps, self.step + 1))


def _run_by_trio(argument: object = ABSENT) -> None:
    """Stands in an entry where asyncio has its callback: the step itself is trio's business."""


def running() -> Host | None:
    """The host of the run that this is called in, or None."""
    try:
        clock = trio.lowlevel.current_clock()
    except RuntimeError:
        return None
    return clock.host if isinstance(clock, VirtualClock) else None
