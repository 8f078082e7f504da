"""What a bundle must prove, the same three things for each.

    repro      The broken variant passes when nothing goes wrong, and fails under each trigger of the spec. Its trace
               replays, step for step. An exploration that is told nothing finds it, within the runs the spec names.
    prevent    The guarded variant passes: calm, under the recorded fault, and in 500 runs explored afresh; and on trio,
               which has its own tests of that, in up to 350 more.
    recover    What the broken variant leaves behind is repaired by the documented step: once, twice, stopped by a
               cancellation or by a crash at any of its awaits and run again, and by two at once.

A scenario brings what these need: `broken` and `guarded`, scenarios; `damaged`, the broken system without its last
assertion, which returns what it left, as plain data; `assert_holds`, the invariant over that; `repair`, the recovery.
"""

from __future__ import annotations

import copy
import importlib
import linecache
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import anyio

import faultloop
from failure_modes.catalogue import Bundle, CatalogueError, Spec
from faultloop import world
from faultloop.errors import AddressError, UsageError
from faultloop.search.explore import INTERRUPTED

Scenario = Callable[[], Coroutine[Any, Any, Any]]
Driver = Literal["asyncio", "trio"]

RUNS = 500
"""How many fresh runs a guarded variant has to survive, on asyncio."""
RUNS_MORE = 350
"""How many more on trio, at most: all single faults, and a small system is through with its orders long before."""
SINGLES = "every single fault"
"""What an exploration says when it is through with those."""
SEEDS_MAX = 50
"""On asyncio a small system that is through with its orders before 500 runs is explored again under another seed."""
DEVIATIONS_MAX = 2
RESTART = "crash:1s"
ORDERS = 50
"""How many orders of two repairs at once are tried."""
UNKNOWN_TO_A_DRIVER = ("FL503",)
"""Codes of errors that say: this driver cannot have such a fault."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of it. said: the figures, in words.   objections: why it does not hold; none when it does."""

    bundle: Bundle
    kind: str
    said: str
    objections: tuple[str, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether all is as the spec says."""
        return not self.objections


@dataclass(frozen=True, slots=True)
class Variants:
    """What a scenario module brings. Any of it may come from a copy of the module whose guardrail is taken away."""

    broken: Scenario
    guarded: Scenario
    damaged: Scenario
    repair: Callable[[Any], Coroutine[Any, Any, Any]]
    assert_holds: Callable[[Any], None]


def variants(bundle: Bundle, module: ModuleType | None = None) -> Variants:
    """Import a bundle's scenario. Raises CatalogueError (FMC205 for what it does not bring, FMC209 if it cannot be)."""
    source = module if module is not None else _imported(bundle)
    names = ("broken", "guarded", "damaged", "repair", "assert_holds")
    if missing := [name for name in names if not callable(getattr(source, name, None))]:
        raise CatalogueError("FMC205", f"{bundle.folder.name}/scenario.py: has no function {', '.join(missing)}")
    return Variants(*(getattr(source, name) for name in names))


def _imported(bundle: Bundle) -> ModuleType:
    try:
        return importlib.import_module(bundle.module)
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if _is_at(frame, bundle)]
        line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
        place = f"{bundle.folder.name}/scenario.py" + (f", line {line}" if line else "")
        raise CatalogueError("FMC209", f"{place}: cannot be imported. {type(error).__name__}: {error}") from error


def _is_at(frame: traceback.FrameSummary, bundle: Bundle) -> bool:
    return Path(frame.filename) == bundle.scenario


# Reproduce


def repro(bundle: Bundle, driver: Driver = "asyncio") -> Proof:
    """Show that the broken variant breaks: where the spec says, as the trace says, and found by itself."""
    began = time.perf_counter()
    spec, system = bundle.spec(), variants(bundle)
    objections = _calm(system.broken, "broken", driver)
    objections += _triggered(system.broken, spec, driver)
    again = faultloop.replay(_recorded(bundle), system.broken)
    if not (again.same_digest and again.run.status.is_failure):
        objections.append(f"the trace is another run today: {again.run.status.value}, {again.divergence}")
    found = explored(system.broken, driver=driver)
    if found.first_failure_run is None or found.first_failure_run > spec.runs_max:
        objections.append(f"a bare exploration finds it in run {found.first_failure_run}, not within {spec.runs_max}")
    deviations = max((failure.deviations for failure in found.failures), default=0)
    if deviations > DEVIATIONS_MAX:
        objections.append(f"the shrunk failure has {deviations} deviations, more than {DEVIATIONS_MAX}")
    said = f"found in run {found.first_failure_run}, {deviations} deviation{'s' * (deviations != 1)}"
    return Proof(bundle, "repro", said, tuple(objections), time.perf_counter() - began)


def _triggered(broken: Scenario, spec: Spec, driver: Driver) -> list[str]:
    """The triggers that do not break it. What trio cannot have, such as `woken`, is left to the exploration there."""
    objections: list[str] = []
    for fault in spec.faults:
        try:
            run = _under(spec, fault, broken, driver)
        except UsageError as error:
            if driver == "asyncio" or error.code not in UNKNOWN_TO_A_DRIVER:
                raise
            continue
        if not run.status.is_failure:
            objections.append(f"«{fault}» does not break it: {run.status.value} {_missed(run)}")
    return objections


def _under(spec: Spec, fault: str, scenario: Scenario, driver: Driver) -> faultloop.Run:
    """A run under one of a spec's triggers. Raises CatalogueError (FMC207) for one that cannot be read."""
    try:
        return faultloop.run(scenario, faults=[fault], driver=driver)
    except AddressError as error:
        raise CatalogueError("FMC207", f"{spec.place}: «Trigger»: {error}") from error


def _explored(scenario: Scenario, **how: Any) -> faultloop.Exploration:
    """Explore. Raises KeyboardInterrupt where somebody ended it: what it came to until then is not what was asked."""
    found = faultloop.explore(scenario, **how)
    if found.reason == INTERRUPTED:
        raise KeyboardInterrupt
    return found


def explored(scenario: Scenario, *, driver: Driver = "asyncio") -> faultloop.Exploration:
    """Explore as a user would who knows nothing but the scenario, up to the first failure."""
    return _explored(scenario, first=True, driver=driver)


def _recorded(bundle: Bundle) -> Path:
    """Where the recorded failure is. Raises CatalogueError (FMC208) when none was recorded yet."""
    if not bundle.trace.is_file():
        raise CatalogueError(
            "FMC208", f"{bundle.name} has no trace.json. Record it: python -m failure_modes record {bundle.name}"
        )
    return bundle.trace


def record(bundle: Bundle) -> faultloop.Failure:
    """Find the failure by itself and keep its shrunk trace. Raises CatalogueError (FMC206) where there is none."""
    found = _explored(variants(bundle).broken, first=True, target=f"{bundle.module}:broken")
    if not found.failures:
        raise CatalogueError("FMC206", f"{bundle.name}: exploring `broken` found nothing in {found.runs} runs")
    faultloop.save_trace(found.failures[0].trace, bundle.trace)
    return found.failures[0]


# Prevent


def prevent(bundle: Bundle, driver: Driver = "asyncio", *, system: Variants | None = None) -> Proof:
    """Show that the guarded variant holds. system: instead of the bundle's own, to see whether this can fail."""
    began = time.perf_counter()
    guarded = (system if system is not None else variants(bundle)).guarded
    objections = _calm(guarded, "guarded", driver)
    if not objections and driver == "asyncio":  # a trace is a run on the driver it names
        objections += _under_the_recorded_fault(bundle, guarded)
    runs = 0
    if not objections:
        runs, objections = _survived(guarded, driver)
    return Proof(bundle, "prevent", f"{runs} runs", tuple(objections), time.perf_counter() - began)


def _survived(guarded: Scenario, driver: Driver) -> tuple[int, list[str]]:
    """Explore it afresh: how many runs that were, and what there is against them."""
    if driver == "trio":
        found = _explored(guarded, runs=RUNS_MORE, first=True, driver=driver)
        if objections := _ended_otherwise(found, found.runs):
            return found.runs, objections
        if not any(told.startswith(SINGLES) for told in found.exhausted):
            return found.runs, [f"{found.runs} runs were too few for {SINGLES} on trio"]
        return found.runs, []
    runs = 0
    for seed in range(SEEDS_MAX):
        found = _explored(guarded, runs=RUNS - runs, seed=seed, first=True, driver=driver)
        runs += found.runs
        if objections := _ended_otherwise(found, runs):
            return runs, objections
        if runs >= RUNS:
            return runs, []
    return runs, [f"there were only {runs} runs to make of it, expected {RUNS}"]


def _ended_otherwise(found: faultloop.Exploration, runs: int) -> list[str]:
    if found.status == "passed":
        return []
    return [f"a run of {runs} ends otherwise: {found.failures[0].message if found.failures else found.reason}"]


def _under_the_recorded_fault(bundle: Bundle, guarded: Scenario) -> list[str]:
    fixed = faultloop.replay(_recorded(bundle), guarded, follow="faults")
    if fixed.run.not_reached or not fixed.held:
        return [f"the recorded deviation does not reach the guarded variant: {_missed(fixed.run)}"]
    if fixed.run.status.is_failure:
        return [f"the recorded deviation breaks the guarded variant: {fixed.run.trace.outcome.message}"]
    return []


def without_guardrail(bundle: Bundle) -> Variants:
    """The bundle's scenario with the guardrail's lines taken away. Raises CatalogueError (FMC204)."""
    source = bundle.scenario.read_text(encoding="utf-8")
    changed = bundle.spec().guardrail.applied_to(source, bundle.folder.name)
    module = ModuleType(f"{bundle.module}_without_guardrail")
    module.__file__ = str(bundle.scenario.with_name("scenario_without_guardrail.py"))
    sys.modules[module.__name__] = module  # where dataclasses look for the names in their annotations
    linecache.cache[module.__file__] = (len(changed), None, changed.splitlines(keepends=True), module.__file__)
    exec(compile(changed, module.__file__, "exec"), module.__dict__)
    return variants(bundle, module)


# Recover


def recover(bundle: Bundle, driver: Driver = "asyncio", *, system: Variants | None = None) -> Proof:
    """Show that what the broken variant leaves behind can be repaired, whatever becomes of the repair.

    driver: of the repair, for the damage is data.   system: instead of the bundle's own, to see whether this can fail.
    """
    began = time.perf_counter()
    spec, system = bundle.spec(), system if system is not None else variants(bundle)
    trigger = spec.faults[0]
    run = _under(spec, trigger, system.damaged, "asyncio")
    objections: list[str] = []
    stops = 0
    if run.status.is_failure or run.not_reached:
        objections.append(f"`damaged` leaves nothing under «{trigger}»: {run.status.value} {_missed(run)}")
    elif not _is_damaged(system, run.value):
        objections.append(f"«{trigger}» leaves no damage: `assert_holds` has nothing against it")
    else:
        objections += _failure(faultloop.run(_repaired(system, run.value, times=1), driver=driver), "the repair")
        objections += _failure(faultloop.run(_repaired(system, run.value, times=2), driver=driver), "a second repair")
        objections += _at_once(system, run.value, driver)
        for how, scenario, kinds in _stopped(system, run.value):
            found = _explored(scenario, faults=kinds, tasks="repair", strategy="sweep", driver=driver)
            stops += found.tried
            objections += [f"{how}: {failure.fault}: {failure.message}" for failure in found.failures]
            if found.status == "inconclusive" or found.tried == 0:
                objections.append(f"{how}: nothing could be tried: {found.reason}")
    said = f"stopped at {stops} places, run again"
    return Proof(bundle, "recover", said, tuple(objections), time.perf_counter() - began)


def _is_damaged(system: Variants, left: Any) -> bool:
    try:
        system.assert_holds(left)
    except AssertionError:
        return True
    return False


def _repaired(system: Variants, left: Any, *, times: int) -> Scenario:
    """Repair a copy. Twice: the second time nothing changes."""

    async def repaired() -> None:
        mine = copy.deepcopy(left)
        await system.repair(mine)
        system.assert_holds(mine)
        for _ in range(times - 1):
            before = copy.deepcopy(mine)
            await system.repair(mine)
            assert mine == before, f"a second repair changes what the first one left: {before} became {mine}"

    return repaired


def _at_once(system: Variants, left: Any, driver: Driver) -> list[str]:
    """What goes wrong when two people repair, in some orders of what each of them does."""

    async def repaired_by_two() -> None:
        mine = copy.deepcopy(left)
        async with anyio.create_task_group() as group:
            group.start_soon(system.repair, mine, name="repair-1")
            group.start_soon(system.repair, mine, name="repair-2")
        system.assert_holds(mine)

    found = _explored(repaired_by_two, faults=[], runs=ORDERS, first=True, driver=driver)
    return [f"two repairs at once: {failure.message}" for failure in found.failures]


def _stopped(system: Variants, left: Any) -> Generator[tuple[str, Scenario, list[str]]]:
    """Ways to stop a repair half-way, each with the faults that do so."""

    async def cancelled_and_repaired() -> None:
        mine = copy.deepcopy(left)
        with suppress(ExceptionGroup):
            async with anyio.create_task_group() as group:
                group.start_soon(system.repair, mine, name="repair")
        await system.repair(mine)
        system.assert_holds(mine)

    async def crashed_and_repaired() -> None:
        mine = copy.deepcopy(left)
        machine = world.node("repair")
        machine.start(system.repair, mine)
        await machine.finished()
        system.assert_holds(mine)

    yield "a repair that is cancelled and run again", cancelled_and_repaired, ["cancel"]
    yield "a repair that crashes and is started again", crashed_and_repaired, [RESTART]


def _missed(run: faultloop.Run) -> str:
    """Why faults of a run landed nowhere, in words."""
    return "; ".join(missed.reason for missed in run.not_reached)


def _failure(run: faultloop.Run, what: str) -> list[str]:
    return [f"{what} fails: {run.trace.outcome.message}"] if run.status.is_failure else []


def _calm(scenario: Scenario, name: str, driver: Driver) -> list[str]:
    return _failure(faultloop.run(scenario, driver=driver), f"`{name}`, without any fault,")
