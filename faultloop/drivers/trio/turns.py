"""Turns of a trio run that nobody sees, at full speed; and those who want to see some, or to keep tasks back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from faultloop.drivers.trio import private

if TYPE_CHECKING:
    from faultloop.drivers.trio.host import Host

NO_STOP = 1 << 62
OLDEST = 3
"""The run's own plumbing is among so many oldest tasks: only the scenario's task was made before the last of it."""


class Watcher(Protocol):
    """Who wants to see some steps. next_stop: the number of the first one; 0 for every step."""

    next_stop: int

    def before_step(self, task: Any) -> None:
        """A task's step is about to run."""
        ...

    def after_step(self, task: Any) -> None:
        """It is over."""
        ...

    def time_moved(self) -> None:
        """The clock has moved."""
        ...

    def checkpoint(self) -> None:
        """Called every few thousand steps."""
        ...

    def path_of(self, task: Any) -> str:
        """The path of a task of the program, where paths are kept; else nothing."""
        ...

    def note(self, text: str, *, own: bool = False) -> None:
        """Something befell the run that no task did; or, `own`, the task that runs says it."""
        ...


class Keeper(Protocol):
    """Who keeps wake-ups back. is_busy: whether it wants to see what is ready."""

    is_busy: bool

    def keeps(self, task: Any) -> bool:
        """A task is ready: is it kept back?"""
        ...

    def next_release(self) -> int | None:
        """The instant at which the first of those kept back comes free, or None."""
        ...

    def release(self, now: int) -> list[Any]:
        """Those that come free now."""
        ...


def hurry(host: Host) -> None:
    """Turns that nobody sees and nothing comes between, until one is another kind: most of what a run does.

    Each is what `turn` would make of it, with all that it asks at hand.
    """
    keeper, watcher = host.keeper, host.watcher
    if host.has_ended or host.ordering is not None or host.nodes is not None or not host.runs_batches:
        return
    if keeper is not None and keeper.is_busy:
        return
    runner, plumbing, clock, choose = host.runner, host.plumbing, host.clock, host.draw
    ready, deadlines, resume = private.runq(runner), private.deadlines(runner), host.loop.send
    reaches_out, errands, counter = host.reaches_out, host.errands.waiting, private.counter
    stop = min(host.next_check, watcher.next_stop if watcher is not None else NO_STOP)
    candidates = host.reach.network.candidates if host.reach is not None else ()
    spin_turns = host.limits.spin_turns
    while (
        runner.main_task_outcome is None
        and (count := len(ready))
        and host.step + count < stop
        and not errands
        and not reaches_out()
    ):
        if candidates or (deadlines and deadlines[0][0] <= clock.end_of_instant):
            return
        if count == 1:
            if ready[0] in plumbing:
                return
        elif count == 2:
            one, other = ready
            if one in plumbing or other in plumbing:
                return
            # trio takes from the end, where the older one is to be, or the one that is drawn.
            if (counter(one) < counter(other)) is not (choose is not None and choose(2) == 1):
                ready.reverse()
        else:
            tasks = sorted(ready, key=counter)
            if not plumbing.isdisjoint(tasks[:OLDEST]):
                return
            tasks = host.drawn(tasks)
            ready.clear()
            ready.extend(reversed(tasks))
        try:
            resume(())
        except BaseException as error:
            host.has_ended = True
            if isinstance(error, StopIteration):
                return
            raise
        host.step += count
        host.turns_at_instant += 1
        if host.turns_at_instant > spin_turns:
            host.leave_instant()
        if host.nodes is not None:
            return
