"""Whether a scenario is deterministic: run twice with the same answers, and name the first step that differs."""

from __future__ import annotations

from dataclasses import dataclass

from faultloop.deciders.calm import Calm
from faultloop.drivers.asyncio_run import Scenario
from faultloop.engine.compare import Divergence, divergence
from faultloop.model.limits import Limits
from faultloop.model.world import Io
from faultloop.search.conditions import Conditions, Threads
from faultloop.search.run import Run, describe_target, run_with


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What two calm runs had in common. difference: the first one, or None. run: the first of them."""

    deterministic: bool
    difference: Divergence | None
    run: Run


def diagnose(
    scenario: Scenario,
    *,
    limits: Limits | None = None,
    threads: Threads = "inline",
    driver: str = "asyncio",
    io: Io = "auto",
    target: str = "",
) -> Diagnosis:
    """Run a scenario twice without any fault and compare the runs event by event."""
    under = Conditions.of(limits=limits, threads=threads, io=io, driver=driver)
    named = target or describe_target(scenario)
    first, second = (run_with(scenario, Calm(), under, target=named).run for _ in range(2))
    difference = divergence(first.trace, second.trace)
    same = first.trace.digest == second.trace.digest
    if not same and difference is None:
        difference = Divergence(0, first.trace.digest, second.trace.digest)
    return Diagnosis(same, difference, first)
