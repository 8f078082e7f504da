"""The loop itself: turns, idling, and what ends a run that would not end.

A turn runs the entries that were ready when it began. Before it, I/O is polled (every turn, as asyncio does: polling
only when idle starves programs that spin on a socket) and timers that are due join behind. Time moves when nothing is
ready, or after many turns at one instant: anyio queues its cancellations anew for as long as a task resists them.
"""

from __future__ import annotations

import gc
import time
from _thread import _count as thread_count
from collections.abc import Iterator
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol, cast

from faultloop.drivers.asyncio import threads
from faultloop.drivers.boundary import declare
from faultloop.drivers.ready import ABSENT, WINDOW, AnyOrder, Choose, Entry
from faultloop.drivers.timers import NEVER
from faultloop.errors import Deadlock, Livelock, OverLimit
from faultloop.model.faults import NANOSECONDS
from faultloop.model.text import counted

declare("the order of tasks", "controlled", "the loop's own calm order, or drawn", "order=, seed=")
declare(
    "asyncio.sleep, timeouts, loop.time", "controlled", "virtual time: it moves when nothing is ready", on="asyncio"
)

if TYPE_CHECKING:
    from faultloop.drivers.asyncio.handles import Timer
    from faultloop.drivers.asyncio.loop import Loop
    from faultloop.drivers.network import Network

CHECK_STEPS = 4_096
"""How many steps between two looks at the limits."""
COLLECT_STEPS = 16 * CHECK_STEPS
"""How many steps between two garbage collections: with automatic collection off, finalizers run at fixed steps."""
PATIENT_TURNS = 1_000
"""After how many turns at one instant even a patient network's descriptors are looked at: the program may watch one."""
LAST_POLL_SECONDS = 0.02
"""One more real wait for I/O before a deadlock is declared. Loopback has never needed it."""


class _Held:
    """The type of HELD."""


HELD = _Held()
"""A watcher's word that it keeps this entry back and will queue it again itself."""


class Watcher(Protocol):
    """Sees every entry of the turns it asks for. Faults and recording are watchers; a fast run has none."""

    next_stop: int
    """The number of the next step it has to see: turns that end before it run at full speed."""

    def before_step(self, task: Any, argument: Any, entry: Entry) -> Any:
        """A task's step is about to run. Returns its argument, another one in its place, or HELD."""
        ...

    def after_step(self, task: Any) -> None:
        """The step has ended: the task waits again, or has ended."""
        ...

    def after_callback(self, runner: Any) -> None:
        """A plain callback has run."""
        ...

    def time_moved(self) -> None:
        """The clock has moved."""
        ...

    def checkpoint(self) -> None:
        """Called every few thousand steps."""
        ...


class _Nobody:
    """The watcher of a turn that is run entry by entry for another reason."""

    next_stop = 1 << 62

    def before_step(self, task: Any, argument: Any, entry: Entry) -> Any:
        """Run it."""
        return argument

    def after_step(self, task: Any) -> None:
        """Nothing."""

    after_callback = after_step

    def time_moved(self) -> None:
        """Nothing."""

    checkpoint = time_moved


_NOBODY = _Nobody()


def spin(loop: Loop) -> None:
    """Run turns until the loop is told to stop. Raises Deadlock, Livelock or OverLimit."""
    turn: Iterator[Entry] | None = None
    runner = callback = argument = cast(Any, None)
    ordering = loop.ordering
    queue = loop.queue
    is_turn_bound = not isinstance(ordering, AnyOrder)  # nothing is carried from one turn into the next
    pending = queue.entries.__len__ if is_turn_bound else ordering.pending
    popleft = queue.entries.popleft
    next_turn = ordering.turn
    spin_turns = loop.limits.spin_turns
    network = loop.network
    candidates = network.candidates if network is not None else ()
    turns_per_look = PATIENT_TURNS if network is not None and network.is_patient else 1
    _set_next_stop(loop)
    try:
        while True:
            if loop.reaches_out and loop.has_io and (loop.turns_at_instant + 1) % turns_per_look == 0:
                loop.poll()
            if candidates:
                cast("Network", network).poll()
            if loop.due:
                _queue_due(loop)
            count = pending()
            if not count:
                if loop.reaches_out or loop.inbox or thread_count() != loop.threads_at_start or not _advance(loop):
                    idle(loop)
                continue
            end = loop.step + count
            if end >= loop.next_stop and _is_watched(loop, end):
                turn = next_turn()
                _watched_turn(loop, turn)
            elif count == 1 and is_turn_bound:
                queue.barrier, queue.callbacks = -1, 0
                runner, callback, argument = popleft()
                if argument is ABSENT:
                    runner.run(callback)
                else:
                    runner.run(callback, argument)
                loop.step = end
            else:
                turn = next_turn()
                for runner, callback, argument in turn:
                    if argument is ABSENT:
                        runner.run(callback)
                    else:
                        runner.run(callback, argument)
                loop.step = end
            if loop._stopping:
                return
            loop.turns_at_instant += 1
            if loop.turns_at_instant > spin_turns:
                _leave_instant(loop)
    finally:
        runner = callback = argument = None  # an error that passed this frame keeps it, and would keep the last task
        if turn is not None:
            ordering.put_back(turn)


def _is_watched(loop: Loop, end: int) -> bool:
    """Look at the limits if that is due. Returns whether somebody wants to see a turn that ends with this step.

    A turn is not broken off for the limits, however long: they are looked at before the next one.
    """
    if loop.step >= loop.next_check:
        _check_limits(loop)
        _set_next_stop(loop)
    return loop.nodes is not None or (loop.watcher is not None and loop.watcher.next_stop <= end)


def _watched_turn(loop: Loop, turn: Iterator[Entry]) -> None:
    """A turn that somebody wants to see, or in which some nodes may not run, entry by entry."""
    watcher = loop.watcher if loop.watcher is not None else _NOBODY
    nodes = loop.nodes
    for entry in turn:
        loop.step += 1
        if nodes is not None and nodes.keeps(entry):
            continue
        runner, callback, argument = entry
        if type(runner) is Context:
            task = callback.__self__  # type: ignore[attr-defined]
            argument = watcher.before_step(task, argument, entry)
            if argument is HELD:
                continue
            if nodes is not None and nodes.keeps((runner, callback, argument)):  # a fault right before it took its node
                watcher.after_callback(runner)
                continue
            runner.run(callback) if argument is ABSENT else runner.run(callback, argument)
            watcher.after_step(task)
        else:
            runner.run(callback)
            watcher.after_callback(runner)
    entry = runner = callback = argument = task = cast(Any, None)  # as in `spin`
    if loop.next_stop or watcher.next_stop:  # else it wants to see every turn, before this one and after it
        _set_next_stop(loop)


def _set_next_stop(loop: Loop) -> None:
    watcher = loop.watcher
    loop.next_stop = loop.next_check if watcher is None else min(watcher.next_stop, loop.next_check)
    if loop.nodes is not None:
        loop.next_stop = 0


def _check_limits(loop: Loop) -> None:
    limits = loop.limits
    loop.next_check = min(loop.step + CHECK_STEPS, max(limits.steps, loop.step + 1))
    if loop.step >= limits.steps:
        raise OverLimit(
            f"over limit: {counted(loop.step, 'step')}, of which {limits.steps:,} may be made (limits.steps)"
        )
    if time.perf_counter() > loop.wall_end:
        raise OverLimit(f"over limit: {limits.wall_seconds:g} s of real time used up (limits.wall_seconds)")
    if loop.step % COLLECT_STEPS < CHECK_STEPS:
        gc.collect(1)
    if loop.watcher is not None:
        loop.watcher.checkpoint()


def _queue_due(loop: Loop) -> None:
    due, loop.due = loop.due, []
    if len(due) > 1:
        due.sort(key=lambda timer: timer._when)  # as asyncio's heap: call_at(past) before call_later(0)
    for timer in due:
        timer._scheduled = False
        loop.queue.push_callback((timer, timer._callback, ABSENT))


def idle(loop: Loop) -> None:
    """Nothing is ready: take what came from outside, else let time move. Raises Deadlock if nothing ever will be."""
    is_awaited = loop.jobs_running or loop.subprocesses or threads.has_foreign_threads(loop)
    # While some thread may still post, its posts are taken once all threads rest: never half of them.
    if loop.inbox and not is_awaited and threads.drain(loop):
        return
    has_io, network = loop.has_io, loop.network
    if has_io and not (network is not None and network.is_patient) and loop.poll():
        return
    if is_awaited:
        if threads.settle(loop) or loop.queue.entries:
            return
        if loop.thread_mode == "paced":
            if threads.pace(loop, _next_instant(loop)):
                return
        elif (loop.jobs_running or loop.subprocesses) and _wait_for_work(loop):
            return
    if has_io and network is not None and network.waited():
        return
    if _advance(loop):
        return
    if has_io and loop.poll(LAST_POLL_SECONDS):
        return
    # Whatever `is_awaited`: the count it goes by is the same when one thread came and one went.
    if threads.outwait(loop):
        return
    raise Deadlock(f"deadlock at {loop.now / NANOSECONDS:.3f} s: no task can run and no timer is pending")


def _next_instant(loop: Loop) -> int:
    """Where virtual time would move to; no further than it may go."""
    return min(next((instant for instant, _ in loop.agenda.live()), NEVER), loop.virtual_end)


def _wait_for_work(loop: Loop) -> bool:
    """Real work is under way in a thread or a child process: time stands still until it answers.

    Not for threads that all wait for one another, or for this loop: what they wait for may be a timer.
    """
    while True:
        has_children = any(transport.get_returncode() is None for transport in loop.subprocesses)
        if not has_children and not (loop.jobs_running and threads.is_under_way(loop)):
            return threads.drain(loop)
        if time.perf_counter() > loop.wall_end:
            raise OverLimit(
                f"over limit: {loop.limits.wall_seconds:g} s of real time, waiting for a thread or a child process"
            )
        if loop.poll(0.001) or threads.drain(loop):
            return True


def _leave_instant(loop: Loop) -> None:
    """Steps go on and on at one instant: let time move, and call it a livelock when there is none to move to."""
    if _advance(loop):
        return
    if loop.turns_at_instant > loop.limits.livelock_turns:
        raise Livelock(
            f"livelock at {loop.now / NANOSECONDS:.3f} s: {counted(loop.turns_at_instant, 'turn')} at one instant, "
            "and no timer is pending"
        )


def _advance(loop: Loop) -> bool:
    """Move to the next instant at which a timer is due, and queue its callbacks. Returns whether there was one."""
    instant, due = loop.agenda.take_next(loop.virtual_end)
    if not due:
        if instant >= NEVER:
            return False
        raise OverLimit(
            f"over limit: the next timer is due at {instant / NANOSECONDS:.3f} s of virtual time, "
            f"and {loop.limits.virtual_seconds:g} s are allowed (limits.virtual_seconds)"
        )
    loop.now = instant
    loop.turns_at_instant = 0
    if len(due) == 1:
        (timer,) = due
        loop.queue.push_callback((timer, timer._callback, ABSENT))
    else:
        entries: list[Entry] = [(timer, timer._callback, ABSENT) for timer in due]
        loop.queue.push_callbacks(entries if loop.choose is None else _in_any_order(loop, entries, loop.choose))
    if loop.watcher is not None:
        loop.watcher.time_moved()
    return True


def move(loop: Loop, nanoseconds: int) -> None:
    """Let time go on within a step. Timers that are overdue then come at the next turn, as they do on asyncio."""
    loop.now += nanoseconds
    loop.turns_at_instant = 0
    while due := loop.agenda.take_next(loop.now)[1]:
        for timer in due:
            timer._scheduled = True
        loop.due.extend(due)
    if loop.watcher is not None:
        loop.watcher.time_moved()


def _in_any_order(loop: Loop, due: list[Entry], choose: Choose) -> list[Entry]:
    """Timers of one instant, in an order that is drawn, and perhaps not all of them in this turn.

    asyncio's heap promises no order among them; and two that are equal here are microseconds apart on a real clock,
    where steps may well run in between. The last option is that the rest comes one turn later.
    """
    due.reverse()
    drawn = [due.pop(~choose(len(due) if len(due) < WINDOW else WINDOW))]
    while due:
        options = len(due) if len(due) < WINDOW else WINDOW
        answer = choose(options + 1)
        if answer == options:
            later = _Later(loop, [cast("Timer", entry[0]) for entry in reversed(due)])
            drawn.append((later, later.run, ABSENT))
            break
        drawn.append(due.pop(~answer))
    return drawn


class _Later:
    """Timers that come one turn later than others of their instant. Until then they count as scheduled."""

    __slots__ = ("_due", "_loop")

    def __init__(self, loop: Loop, due: list[Timer]) -> None:
        self._loop = loop
        self._due = due
        for timer in due:
            timer._scheduled = True

    def run(self, callback: object, /) -> None:
        """Let them come at the next turn, behind what this one makes ready. callback: unused."""
        self._loop.due.extend(self._due)
