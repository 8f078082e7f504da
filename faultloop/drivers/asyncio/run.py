"""One run on the asyncio driver: from a scenario to what happened, and a bounded end whatever the program does."""

from __future__ import annotations

import gc
import sys
import time
from asyncio import events
from typing import Any

from faultloop.drivers.alarm import OutOfTime, clear_alarm, set_alarm
from faultloop.drivers.asyncio.faults import Injector
from faultloop.drivers.asyncio.hosting import AsyncioStage
from faultloop.drivers.asyncio.loop import Loop
from faultloop.drivers.asyncio.sweep import Sweeper
from faultloop.drivers.asyncio.teardown import tasks_of, tear_down
from faultloop.drivers.asyncio.trace import TracedLoop, Tracer
from faultloop.drivers.asyncio.waits import waiting_tasks
from faultloop.drivers.facts import UNSEEN, Complaint, Facts
from faultloop.drivers.frames import SiteTable, raised_at
from faultloop.drivers.hosting import Halted, Hosted
from faultloop.drivers.keyboard import listen, stop_listening
from faultloop.drivers.looking import Guide, Keep, Look, looking_order, ordinal_of
from faultloop.drivers.ready import Entry
from faultloop.drivers.settings import Around, Scenario, Settings, call_scenario
from faultloop.drivers.strike import Strike
from faultloop.engine.paths import bare_function
from faultloop.engine.plan import Plan
from faultloop.engine.recorder import Recorder
from faultloop.errors import Deadlock, Livelock, OverLimit, UsageError


def execute(scenario: Scenario, settings: Settings, *, strikes: tuple[Strike, ...] = ()) -> Facts:
    """Run a scenario at full speed. strikes: faults at known step numbers, in their order."""
    loop = _make(Loop, settings)
    sweeper = Sweeper(loop, strikes) if strikes else None
    facts = _run(loop, scenario, settings.around, injector=sweeper.injector if sweeper is not None else None)
    if sweeper is not None:
        facts.obstacle, facts.has_landed = sweeper.obstacle, sweeper.landed == len(strikes)
        _remember_injected(facts, sweeper.injector)
    facts.let_frames_go()
    return facts


def execute_traced(
    scenario: Scenario,
    settings: Settings,
    *,
    plan: Plan | None,
    recorder: Recorder,
    sites: SiteTable,
    collect: bool = False,
    guide: Guide | None = None,
    keep: Keep | None = None,
) -> tuple[Facts, Tracer]:
    """Run a scenario with everything recorded, and the faults of a plan delivered at their addresses.

    guide: answers the questions about the order of steps instead of `settings.choose`, without being told of sites;
    keep: is told what it answered.
    """
    loop = _make(TracedLoop, settings)
    tracer = Tracer(loop, plan, recorder, sites, collect=collect, guide=guide)
    if guide is not None:
        assert keep is not None, "who guides has answers to keep"
        loop.ordering = looking_order(settings.order, loop.queue, _looking(guide), keep, hold=settings.hold)
    facts = _run(loop, scenario, settings.around, injector=tracer.injector, tracer=tracer, sites=sites)
    facts.swallowed = tuple(node.path for node in tracer.swallowed)
    _remember_injected(facts, tracer.injector)
    facts.has_landed = bool(recorder.delivered)
    return facts, tracer


def _looking(guide: Guide) -> Look:
    def look(entries: list[Entry]) -> int:
        return guide.pick([ordinal_of(entry) for entry in entries], [0] * len(entries))

    return look


def _remember_injected(facts: Facts, injector: Injector) -> None:
    facts.injected = tuple(injector.injected)
    facts.expires_by_cancel = injector.expires_by_cancel


def _make(kind: type[Any], settings: Settings) -> Any:
    return kind(
        order=settings.order,
        choose=settings.choose,
        hold=settings.hold,
        threads=settings.threads,
        limits=settings.limits,
        network=settings.network,
    )


def drive(loop: Loop, scenario: Scenario, around: Around) -> Facts:
    """Run a scenario on a loop that was made for it."""
    facts = _run(loop, scenario, around)
    facts.let_frames_go()
    return facts


def _run(
    loop: Loop,
    scenario: Scenario,
    around: Around,
    *,
    injector: Injector | None = None,
    tracer: Tracer | None = None,
    sites: SiteTable | None = None,
) -> Facts:
    facts = Facts()
    loop.complaints = []
    began = time.perf_counter_ns()
    is_clean = False
    surroundings, world, was_interrupted = _Surroundings(loop), around(loop), False
    world.__enter__()
    try:
        try:
            if isinstance(scenario, Hosted):
                _host(loop, scenario, facts, tracer, sites)
                is_clean = facts.halted is None
            else:
                root = loop.create_task(call_scenario(scenario))
                root.add_done_callback(loop.stop_after)
                _drive(loop, root, facts, sites)
                _look_around(loop, root, facts, tracer, sites)
                is_clean = root.done()
            is_clean = is_clean and not facts.alive and not facts.open_generators
        finally:
            loop.watcher = None
            if tracer is not None:
                tracer.stop()
            if injector is not None:
                injector.release_all()
            facts.untidy = tear_down(loop, is_clean=is_clean)
    finally:
        world.__exit__(None, None, None)
        was_interrupted = surroundings.put_back()
    if was_interrupted:
        raise KeyboardInterrupt  # the program swallowed it
    facts.wall_ns = time.perf_counter_ns() - began
    return facts


class _Surroundings:
    """No running loop, no automatic garbage collection, and a limit on real time, from now until they are put back.

    Not a context manager made of a generator: that alone costs a hundredth of a small run.
    """

    __slots__ = ("_alarm", "_collects", "_is_listening", "_library", "_loop")

    def __init__(self, loop: Loop) -> None:
        self._loop = events._get_running_loop()
        events._set_running_loop(None)
        self._library = _forget_library()
        self._collects = gc.isenabled()
        gc.disable()
        seconds = loop.limits.wall_seconds
        loop.wall_end = time.perf_counter() + seconds
        self._alarm = set_alarm(seconds)
        self._is_listening = listen()

    def put_back(self) -> bool:
        """Leave the process as it was. Returns whether somebody interrupted it from the keyboard."""
        was_interrupted = stop_listening(self._is_listening)
        clear_alarm(*self._alarm)
        if self._collects:
            gc.enable()
        _remember_library(*self._library)
        events._set_running_loop(self._loop)
        return was_interrupted


def _forget_library() -> tuple[str | None, str | None]:
    """Around the run trio may be running, or anyio on trio; inside it neither is. Returns what sniffio believed."""
    sniffio: Any = sys.modules.get("sniffio")
    if sniffio is None:
        return None, None
    believed = (sniffio.thread_local.name, sniffio.current_async_library_cvar.get())
    if believed != (None, None):
        _remember_library(None, None)
    return believed


def _remember_library(in_thread: str | None, in_context: str | None) -> None:
    sniffio: Any = sys.modules.get("sniffio")
    if sniffio is not None and (sniffio.thread_local.name, sniffio.current_async_library_cvar.get()) != (
        in_thread,
        in_context,
    ):
        sniffio.thread_local.name = in_thread
        sniffio.current_async_library_cvar.set(in_context)


def _drive(loop: Loop, root: Any, facts: Facts, sites: SiteTable | None) -> None:
    """Run until the root task has ended or the run is halted, and take its result."""
    try:
        loop.run_forever()
    except (Deadlock, Livelock, OverLimit) as halted:
        facts.halted = halted
        return
    except OutOfTime:
        facts.halted = _out_of_time(loop)
        return
    except (KeyboardInterrupt, UsageError):  # the latter is about a fault that cannot be made: the caller's business
        raise
    except BaseException as error:  # SystemExit, which tasks raise through the loop
        if not root.done():
            facts.error = error
            return
    if not root.done():  # the program itself stopped the loop
        facts.halted = Deadlock("the program stopped the loop before the scenario had ended")
        return
    try:
        facts.value = root.result()
    except BaseException as error:
        # Without this very frame: it holds the facts, which would hold it, and the loop with all its tasks.
        facts.error = error.with_traceback(getattr(error.__traceback__, "tb_next", None))
        facts.error_place = raised_at(error, sites) if sites is not None else ""


def _host(loop: Loop, scenario: Hosted, facts: Facts, tracer: Tracer | None, sites: SiteTable | None) -> None:
    """Let a performance use the loop, and take what it came to."""

    def judge(halted: Halted | None) -> None:
        facts.halted = halted
        _look_around(loop, None, facts, tracer, sites)
        loop.watcher = None
        if tracer is not None:
            tracer.stop()

    stage = AsyncioStage(loop, judge, lambda: _out_of_time(loop), tracer)
    try:
        error = scenario.perform(stage)
        stage.end()
        if facts.halted is None and error is not None:
            facts.error, facts.error_place = error, raised_at(error, sites) if sites is not None else ""
        if tracer is not None and tracer.waits is not None:
            tracer.waits = stage.window.keep(tracer.waits)
    finally:
        stage.let_go()


def _out_of_time(loop: Loop) -> OverLimit:
    inside = (
        f'; {loop.inline_job} was running inline as a thread\'s job: if it waits for the loop, use threads="real"'
        if loop.inline_job
        else "; a step did not end (a busy loop, or a call that blocks)"
    )
    return OverLimit(f"over limit: {loop.limits.wall_seconds:g} s of real time used up (limits.wall_seconds){inside}")


def _look_around(loop: Loop, root: Any, facts: Facts, tracer: Tracer | None, sites: SiteTable | None) -> None:
    """Collect what the standard checks judge, before anything is torn down."""
    facts.steps, facts.now, facts.heard_from = loop.step, loop.now, tuple(loop.heard_from)
    known = tasks_of(loop)
    left = [task for task in known if not task.done() and task is not root and not _is_asyncios(task)]
    if tracer is not None:
        facts.alive = tuple(tracer.node_of(task).path for task in left)
    elif left:
        facts.alive = tuple(bare_function(getattr(task.get_coro(), "__qualname__", "?")) for task in left)
    complaints = [Complaint(str(c.get("message", "")), c.get("exception")) for c in loop.complaints or ()]
    unseen = [task for task in known if task is not root and task.done() and task._log_traceback]
    looked_at = _about_to_be_seen(loop) if unseen else set[int]()
    for task in unseen:
        task._log_traceback = False
        if id(task) not in looked_at:
            complaints.append(Complaint(UNSEEN, task._exception))
    facts.complaints = tuple(complaints)
    if loop.open_generators or loop._asyncgens:
        # One that has ended may still be there: the traceback of what ended it keeps it alive.
        open_now = sorted(g.__qualname__ for g in list(loop._asyncgens) if g.ag_frame is not None)
        facts.open_generators = tuple(bare_function(name) for name in (*loop.open_generators, *open_now))
    if facts.halted is not None and tracer is not None and sites is not None:
        facts.waiting = waiting_tasks([task for task in known if not task.done()], tracer, sites)


def _about_to_be_seen(loop: Loop) -> set[int]:
    """By id, the tasks whose end somebody was about to hear of when the scenario ended: a gather, a group, a waiter."""
    told: set[int] = set()
    for runner, _, argument in loop.ordering.queued():
        told.add(id(argument))
        told.update(id(argument) for argument in getattr(runner, "_args", None) or ())
    return told


def _is_asyncios(task: Any) -> bool:
    """Whether asyncio made this task for itself: to set up a connection that a server has just accepted, or to close an
    async generator that the program left open, which is a finding of its own.
    """
    coroutine = task.get_coro()
    is_accepting = getattr(coroutine, "__qualname__", "") == "BaseSelectorEventLoop._accept_connection2"
    return is_accepting or type(coroutine).__name__ == "async_generator_athrow"
