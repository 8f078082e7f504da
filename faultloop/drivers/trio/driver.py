"""One run on the trio driver: from a scenario to what happened, in the same facts as on asyncio."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from faultloop.drivers.alarm import clear_alarm, set_alarm
from faultloop.drivers.boundary import declare
from faultloop.drivers.facts import UNSEEN, Complaint, Facts, Guided
from faultloop.drivers.frames import ChainTable, SiteTable, raised_at
from faultloop.drivers.hosting import Halted, Hosted
from faultloop.drivers.keyboard import listen, stop_listening
from faultloop.drivers.looking import Guide, Keep
from faultloop.drivers.settings import Around, Scenario, Settings, call_scenario
from faultloop.drivers.strike import Strike
from faultloop.drivers.touches import record_touches
from faultloop.drivers.trio import footprints as trio_footprints
from faultloop.drivers.trio import private
from faultloop.drivers.trio.guided import Follower, looking_at
from faultloop.drivers.trio.host import Host
from faultloop.drivers.trio.hosting import TrioStage
from faultloop.drivers.trio.sites import coroutine_label
from faultloop.drivers.trio.sweep import Sweeper
from faultloop.drivers.trio.teardown import tear_down
from faultloop.drivers.trio.trace import Tracer
from faultloop.drivers.trio.waits import waiting_tasks
from faultloop.engine.paths import bare_function
from faultloop.engine.plan import Plan
from faultloop.engine.recorder import Recorder
from faultloop.errors import Deadlock, Livelock, OverLimit, UsageError
from faultloop.model.points import Phase

declare("trio.socket to this machine", "through", "real, polled at every turn", 'io="simulated"', on="trio")

PHASES = (Phase.PARKED, Phase.RACING)
"""There is no `woken`: a task that trio has made ready can no longer be reached, until it waits again."""


def execute(scenario: Scenario, settings: Settings, *, strikes: tuple[Strike, ...] = ()) -> Facts:
    """Run a scenario at full speed. strikes: faults at known step numbers, in their order."""
    host = _make(settings)
    sweeper = Sweeper(host, strikes) if strikes else None
    facts = _run(host, scenario, settings.around, [])
    if sweeper is not None:
        facts.obstacle, facts.has_landed = sweeper.obstacle, sweeper.landed == len(strikes)
        facts.injected = tuple(sweeper.injector.injected)
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

    guide: answers the questions about the order of steps instead of `settings.choose`; keep: is told what it answered.
    """
    host = _make(settings)
    tracer = Tracer(host, plan, recorder, sites, collect=collect, guide=guide)
    if guide is not None:
        assert keep is not None, "who guides has answers to keep"
        host.ordering = looking_at(host, settings, guide, keep, tracer.ordinal_of, lambda _: 0)
    facts = _run(host, scenario, settings.around, [tracer.ears], tracer, sites)
    facts.injected = tuple(tracer.injector.injected)
    facts.has_landed = bool(recorder.delivered)
    return facts, tracer


def execute_guided(
    scenario: Scenario, settings: Settings, guide: Guide, *, sites: ChainTable, footprints: bool = False
) -> Guided:
    """Run a scenario with every question about the order of steps answered by a guide.

    sites: shared by the runs of one exploration.   footprints: whether the guide is told what steps touch.
    """
    host = _make(settings)
    touched: list[tuple[int, bool]] = []
    follower = Follower(host, settings, guide, sites, touched)
    if footprints:
        trio_footprints.install()
        record_touches(touched.append)
    try:
        facts = _run(host, scenario, settings.around, [follower.ears])
    finally:
        record_touches(None)
    return Guided(facts, follower.choices.recorded(), tuple(follower.steps))


def _make(settings: Settings) -> Host:
    private.require()
    return Host(settings)


def _run(
    host: Host,
    scenario: Scenario,
    around: Around,
    instruments: list[Any],
    tracer: Tracer | None = None,
    sites: SiteTable | None = None,
) -> Facts:
    facts = Facts()
    began = time.perf_counter_ns()
    is_listening = listen()
    try:
        _run_within(host, scenario, around, instruments, tracer, sites, facts)
    finally:
        was_interrupted = stop_listening(is_listening)
    if was_interrupted:
        raise KeyboardInterrupt  # the program swallowed it
    if host.failure is not None and facts.halted is None:
        facts.error, facts.error_place = host.failure, ""
    facts.wall_ns = time.perf_counter_ns() - began
    return facts


def _run_within(
    host: Host,
    scenario: Scenario,
    around: Around,
    instruments: list[Any],
    tracer: Tracer | None,
    sites: SiteTable | None,
    facts: Facts,
) -> None:
    with around(host), _surroundings(host) as is_late:
        try:
            if isinstance(scenario, Hosted):
                _host(host, scenario, instruments, facts, tracer, sites, is_late)
            else:
                host.start(call_scenario(scenario), instruments)
                if host.reach is not None:
                    host.reach.network.enter()
                _drive(host, facts, sites, is_late)
                _look_around(host, facts, tracer, sites)
        finally:
            host.watcher = None
            if tracer is not None:
                tracer.stop()
            if host.runner is not None:
                facts.untidy = tear_down(host)
            if host.reach is not None and host.runner is not None:  # entered as soon as there is a runner
                host.reach.network.leave()


def _drive(host: Host, facts: Facts, sites: SiteTable | None, is_late: Callable[[], bool]) -> None:
    """Run until the scenario has ended or the run is halted, and take its result."""
    try:
        host.run()
    except (Deadlock, Livelock, OverLimit) as halted:
        facts.halted = halted
    except UsageError:  # about a fault that cannot be made: the caller's business
        raise
    except BaseException as error:
        if not is_late():
            if isinstance(error, KeyboardInterrupt):
                raise
            facts.error = error
    if is_late():
        facts.halted, facts.error = _out_of_time(host), None
        return
    outcome = host.runner.main_task_outcome
    if facts.halted is not None or facts.error is not None or outcome is None:
        return
    facts.error = getattr(outcome, "error", None)
    if isinstance(facts.error, KeyboardInterrupt):
        raise facts.error
    facts.value = getattr(outcome, "value", None)
    if facts.error is not None and sites is not None:
        facts.error_place = raised_at(facts.error, sites)


def _host(
    host: Host,
    scenario: Hosted,
    instruments: list[Any],
    facts: Facts,
    tracer: Tracer | None,
    sites: SiteTable | None,
    is_late: Callable[[], bool],
) -> None:
    """Let a performance use trio, and take what it came to."""

    def judge(halted: Halted | None) -> None:
        facts.halted = halted
        _look_around(host, facts, tracer, sites)
        host.watcher = None
        if tracer is not None:
            tracer.stop()

    stage = TrioStage(host, instruments, judge, is_late, lambda: _out_of_time(host), tracer)
    error = scenario.perform(stage)
    stage.end()
    if facts.halted is None and error is not None:
        facts.error, facts.error_place = error, raised_at(error, sites) if sites is not None else ""
    if tracer is not None and tracer.waits is not None:
        tracer.waits = stage.window.keep(tracer.waits)


def _out_of_time(host: Host) -> OverLimit:
    inside = (
        f'; {host.jobs.inline} was running inline as a thread\'s job: if it waits for the loop, use threads="real"'
        if host.jobs.inline
        else "; a step did not end (a busy loop, or a call that blocks)"
    )
    return OverLimit(f"over limit: {host.limits.wall_seconds:g} s of real time used up (limits.wall_seconds){inside}")


def _look_around(host: Host, facts: Facts, tracer: Tracer | None, sites: SiteTable | None) -> None:
    """Collect what the standard checks judge, before anything is torn down."""
    facts.steps, facts.now = host.step, host.now
    runner = host.runner
    if runner is None:  # nothing was called
        return
    # Nothing outlives its nursery: what is left of a run that was not halted are trio's and the program's system tasks.
    # Only nodes have more: what they were started with is nobody's child.
    left = sorted(set(runner.tasks) - host.plumbing, key=private.counter) if facts.halted is not None else []
    if host.nodes is not None:
        left = left or host.nodes.alive()
        facts.complaints = tuple(Complaint(UNSEEN, error) for error in host.nodes.unseen())
    alive = [task for task in left if task is not runner.main_task]
    facts.alive = tuple(tracer.path_of(task) if tracer is not None else coroutine_label(task) for task in alive)
    open_now = sorted(g.__qualname__ for g in list(runner.asyncgens.alive) if g.ag_frame is not None)
    facts.open_generators = tuple(bare_function(name) for name in open_now)
    if facts.halted is not None and tracer is not None and sites is not None:
        facts.waiting = waiting_tasks(left, tracer.path_of, sites)


@contextmanager
def _surroundings(host: Host) -> Generator[Callable[[], bool], None, None]:
    """Nothing of the loop around, no automatic garbage collection, and a limit on real time; put back afterwards.

    Yields what tells whether that limit was passed.
    """
    end = time.perf_counter() + host.limits.wall_seconds
    collects = gc.isenabled()
    gc.disable()
    with private.own_context(), _on_trio(), private.batches_as_given(), private.thread_starter(host.jobs.start):
        alarm = set_alarm(host.limits.wall_seconds)
        try:
            yield lambda: time.perf_counter() >= end
        finally:
            clear_alarm(*alarm)
            if collects:
                gc.enable()


@contextmanager
def _on_trio() -> Generator[None, None, None]:
    """What sniffio believes: within the run it is trio that runs, whatever runs around."""
    import asyncio.events as events

    outer = events._get_running_loop()
    events._set_running_loop(None)
    sniffio: Any = sys.modules.get("sniffio")
    believed = (sniffio.thread_local.name, sniffio.current_async_library_cvar.get()) if sniffio is not None else None
    if sniffio is not None:
        sniffio.thread_local.name = "trio"
        sniffio.current_async_library_cvar.set(None)
    try:
        yield
    finally:
        if sniffio is not None and believed is not None:
            sniffio.thread_local.name = believed[0]
            sniffio.current_async_library_cvar.set(believed[1])
        events._set_running_loop(outer)
