"""Running a scenario once, with everything recorded."""

from __future__ import annotations

import functools
import inspect
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from faultloop.checks.standard import Checks, clean, judge
from faultloop.deciders.calm import Calm
from faultloop.deciders.protocol import Decider
from faultloop.deciders.uniform import Uniform
from faultloop.drivers.asyncio.loop import Loop
from faultloop.drivers.driver import driver_named, require_phases
from faultloop.drivers.facts import Facts, Wait
from faultloop.drivers.frames import SiteTable
from faultloop.drivers.looking import Guide
from faultloop.drivers.own import begin_with
from faultloop.drivers.settings import Scenario
from faultloop.engine.choices import RecordedChoices
from faultloop.engine.compare import event_in_words
from faultloop.engine.plan import NotReached, Plan
from faultloop.engine.recorder import Recorder
from faultloop.errors import RunFailed, TargetError, UsageError
from faultloop.model.address import parse_fault
from faultloop.model.faults import NANOSECONDS, Fail, PlannedFault
from faultloop.model.limits import Limits
from faultloop.model.outcome import Status
from faultloop.model.trace import Environment, Order, Stats, Target, Threads, Trace, digest_of
from faultloop.model.world import Io
from faultloop.search.conditions import AnyEntropy, Conditions, require_sequence
from faultloop.search.logged import lines_kept
from faultloop.search.place import find_root
from faultloop.search.target import fingerprint, required_arguments
from faultloop.world.faults import is_network_fault
from faultloop.world.loops import WorldLoop

_RECORDED_PACKAGES = ("anyio", "trio", "aiohttp", "httpx", "aqueue", "structlog")


PathOf = Callable[[int], str]
MakeGuide = Callable[[PathOf], Guide]


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a scenario and what came of it.

    value: what the scenario returned.   exception: what it raised.   virtual_time: seconds.   steps: callbacks and task
    steps alike.   not_reached: planned faults that never landed.
    """

    status: Status
    value: Any
    exception: BaseException | None
    virtual_time: float
    steps: int
    trace: Trace
    not_reached: tuple[NotReached, ...] = ()

    @property
    def history(self) -> tuple[str, ...]:
        """What happened, a line an event."""
        return tuple(event_in_words(self.trace, event) for event in self.trace.events)

    def raise_if_failed(self) -> None:
        """Raise the program's own exception, or RunFailed when the run failed without one."""
        if not self.status.is_failure:
            return
        if self.exception is not None and self.status in (Status.VIOLATED, Status.CRASHED):
            raise self.exception
        lines = [f"{self.status.value}: {self.trace.outcome.message}"]
        for waiting in self.trace.outcome.waiting:
            owner = f", held by {waiting.owner}" if waiting.owner else ""
            needs = f" needs {waiting.needs}{owner}" if waiting.needs else ""
            lines.append(f"  {waiting.task} waits at {waiting.where} ({waiting.place}){needs}")
        raise RunFailed("\n".join(lines))


def run(
    scenario: Scenario,
    *,
    seed: int | None = None,
    faults: Sequence[str | PlannedFault] = (),
    order: Order = "fifo",
    limits: Limits | None = None,
    driver: str = "asyncio",
    threads: Threads = "inline",
    entropy: AnyEntropy = "seeded",
    io: Io = "auto",
    checks: Checks | None = None,
    target: str = "",
) -> Run:
    """Run an async function once, deterministically and in virtual time, and record it.

    seed: draws the order of what is ready, as far as `order` allows; None is plain asyncio's order.
    faults: planned faults, as text or from `faultloop.at`; and kinds of network fault (`net:reset`, `net` for all), of
    which the seed draws where they strike.   io: which network the run has (see faultloop.model.world).
    entropy: what chance and clocks are: `seeded` by the same seed and virtual, or the machine's.
    target: how the trace names the scenario; found out for a function at the top of a file.
    driver: "asyncio" or "trio".
    Never raises for the program's own errors: see `Run.status` and `Run.raise_if_failed()`.
    Raises UsageError and its kind for what is asked wrongly.
    """
    require_scenario(scenario)
    _require_order(order)
    decider: Decider = Calm() if seed is None else Uniform(seed)
    return run_with(
        scenario,
        decider,
        Conditions.of(
            limits=limits,
            threads=threads,
            checks=checks,
            io=io,
            entropy=entropy,
            seed=seed,
            faults=faults,
            driver=driver,
        ),
        faults=read_faults(faults),
        seed=seed,
        order=order,
        target=target or describe_target(scenario),
    ).run


def new_event_loop(
    *,
    seed: int | None = None,
    order: Order = "batch",
    limits: Limits | None = None,
    threads: Threads = "inline",
    entropy: AnyEntropy = "seeded",
    io: Io = "auto",
    faults: Sequence[str] = (),
) -> Loop:
    """The loop alone, for any Runner: virtual time, and with a seed the order that it draws.

    seed: None is plain asyncio's order.   order: how far a seed may reorder what is ready.
    threads, entropy, io: as for `run`; network, chance and clocks are the loop's while it runs, and only then.
    faults: kinds of network fault, which the seed draws.
    Where asyncio's own loop would hang, its `run_forever` raises Deadlock, Livelock or OverLimit.
    Raises UsageError and its kind for what is asked wrongly.
    """
    _require_order(order)
    if others := [kind for kind in faults if not is_network_fault(kind)]:
        raise UsageError(f'"{others[0]}": only faults of the network come without a run', code="FL519")
    if faults and seed is None:
        raise UsageError("faults of the network are drawn: give a seed as well", code="FL519")
    under = Conditions.of(limits=limits, threads=threads, io=io, entropy=entropy, seed=seed, faults=faults)
    choose = None if seed is None else Uniform(seed).choose
    return WorldLoop(
        under.world, order="fifo" if seed is None else order, choose=choose, limits=limits, threads=threads
    )


@dataclass(frozen=True, slots=True)
class Observed:
    """A traced run with what only the search wants: its waits, and what happened before it was judged."""

    run: Run
    facts: Facts
    waits: tuple[Wait, ...]
    sites: SiteTable


def run_with(
    scenario: Scenario,
    decider: Decider,
    under: Conditions,
    *,
    faults: tuple[PlannedFault, ...] = (),
    seed: int | None = None,
    order: Order = "fifo",
    target: str = "",
    collect: bool = False,
    guide: MakeGuide | None = None,
) -> Observed:
    """Run once under any decider.

    collect: keep every wait, for a sweep to enumerate.   guide: makes what answers the questions about the order of
    steps; any other is the decider's. It is given what tells a task's path from its ordinal.
    """
    require_callable(scenario)
    require_phases(under.driver, faults)
    root = find_root(os.getcwd())
    answers = RecordedChoices(decider)
    recorder = Recorder(under.limits.events)
    sites = _sites_of(scenario, str(root))
    plan = Plan(faults) if faults else None
    guiding = guide(lambda ordinal: recorder.nodes[ordinal - 1].path) if guide is not None else None
    is_calm = isinstance(decider, Calm) and guide is None
    settings = under.settings(order, None if is_calm else answers.choose)
    driver = driver_named(under.driver)
    with lines_kept():
        facts, watched = driver.execute_traced(
            scenario, settings, plan=plan, recorder=recorder, sites=sites, collect=collect, guide=guiding,
            keep=answers.keep,
        )  # fmt: skip
    landed = tuple(faults[delivered.plan] for delivered in recorder.delivered)
    asked = Trace(
        env=environment(under.driver),
        outcome=judge(facts, under.checks, landed),
        faultloop=_version("faultloop"),
        target=Target(target, fingerprint(target, root=root)) if target else Target(),
        seed=seed,
        order=order,
        hold=under.hold,
        threads=under.threads,
        world=under.world,
        checks=under.checks.changed(),
        faults=faults,
        choices=answers.recorded(),
        limits=under.limits,
    )
    trace = _with_history(asked, facts, recorder, sites)
    result = Run(
        status=trace.outcome.status,
        value=facts.value,
        exception=facts.error,
        virtual_time=facts.now / NANOSECONDS,
        steps=facts.steps,
        trace=trace,
        not_reached=plan.not_reached() if plan is not None else (),
    )
    return Observed(result, facts, tuple(watched.waits or ()), sites)


def _sites_of(scenario: Scenario, root: str) -> SiteTable:
    """A table for where a run of this scenario waits, whose code is the user's own."""
    begin_with(scenario)
    return SiteTable(root)


def _with_history(trace: Trace, facts: Facts, recorder: Recorder, sites: SiteTable) -> Trace:
    """The trace with all that was recorded of the run."""
    tasks, events, all_sites = recorder.tasks(), recorder.events(), tuple(sites.sites)
    return msgspec.structs.replace(
        trace,
        delivered=tuple(recorder.delivered),
        tasks=tasks,
        sites=all_sites,
        events=events,
        stats=Stats(facts.steps, facts.now, facts.wall_ns, recorder.dropped),
        digest=digest_of(trace.choices, trace.faults, tasks, all_sites, events, trace.outcome.status.value),
    )


def threads_in_words(*runs: Observed) -> str:
    """Which threads of the program's own a difference between runs may come from; nothing if there were none."""
    names = dict.fromkeys(name for observed in runs for name in observed.facts.heard_from)
    return f"; threads of its own posted to the loop: {', '.join(names)}" if names else ""


def read_faults(faults: Sequence[str | PlannedFault]) -> tuple[PlannedFault, ...]:
    """Planned faults from text and values alike. Raises AddressError, or UsageError for an unknown error."""
    require_sequence(faults)
    mine = (fault for fault in faults if not is_network_fault(fault))
    planned = tuple(map(_read_fault, mine))
    for fault in planned:
        if isinstance(fault.fault, Fail) and "." not in fault.fault.error:
            from faultloop.drivers.faults import make_error

            make_error(fault.fault)
    return planned


def _read_fault(asked: object) -> PlannedFault:
    if isinstance(asked, str):
        return parse_fault(asked)
    if not isinstance(asked, PlannedFault):
        raise UsageError(f"a fault is an address as text, or a PlannedFault, not {asked!r}", code="FL508")
    return asked


def describe_target(scenario: Scenario) -> str:
    """`path/to/file.py:function` of a function at the top of a file under the project root; empty for any other."""
    name = getattr(scenario, "__qualname__", "")
    module = sys.modules.get(getattr(scenario, "__module__", ""))
    file = getattr(module, "__file__", None)
    if not name.isidentifier() or not file or getattr(module, name, None) is not scenario:
        return ""
    root = Path(find_root(os.getcwd()))
    real = Path(os.path.realpath(file))
    return f"{real.relative_to(root).as_posix()}:{name}" if real.is_relative_to(root) else ""


def environment(driver: str = "asyncio") -> Environment:
    """Where this process runs, as a trace keeps it."""
    seed = os.environ.get("PYTHONHASHSEED", "random")
    return Environment(
        python=platform.python_version(),
        implementation=sys.implementation.name,
        platform=sys.platform,
        driver=driver,
        hashseed=seed if seed else "random",
        packages={name: _version(name) for name in _RECORDED_PACKAGES if name in sys.modules and _version(name)},
    )


@functools.cache
def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _require_order(order: str) -> None:
    if order not in ("fifo", "batch", "any"):
        raise UsageError(f'there is no order "{order}"; there are "fifo", "batch" and "any"', code="FL507")


def require_scenario(scenario: Scenario) -> None:
    """Raise UsageError for what cannot be called, TargetError (FL104) for what cannot be called without arguments."""
    require_callable(scenario)
    if required := required_arguments(scenario):
        name = clean(getattr(scenario, "__qualname__", repr(scenario)))
        raise TargetError(
            f"{name} needs {required}; a scenario takes no arguments. Write an async function that calls it with them, "
            "or pass functools.partial(…)"
        )


def require_callable(scenario: object) -> None:
    """Raise UsageError for what cannot be called."""
    if inspect.iscoroutine(scenario):
        scenario.close()
        raise UsageError(f"pass the scenario itself, not a call of it: {scenario.__name__}, not {scenario.__name__}()")
    if not callable(scenario):
        raise UsageError(f"a scenario is an async function, not {clean(repr(scenario))}")
