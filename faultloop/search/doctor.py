"""Whether a scenario is deterministic: run twice with the same answers, and name the first step that differs."""

from __future__ import annotations

from dataclasses import dataclass

from faultloop.deciders.calm import Calm
from faultloop.drivers.settings import Scenario
from faultloop.engine.compare import Divergence, divergence
from faultloop.model.limits import Limits
from faultloop.model.trace import Threads
from faultloop.model.world import Io
from faultloop.search.conditions import AnyEntropy, Conditions
from faultloop.search.run import Run, describe_target, run_with


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What two calm runs had in common.

    difference: the first one, or None.   run: the first of them.   threads: those of the program's own that posted to
    the loop, by name.
    """

    deterministic: bool
    difference: Divergence | None
    run: Run
    threads: tuple[str, ...] = ()


def diagnose(
    scenario: Scenario,
    *,
    limits: Limits | None = None,
    threads: Threads = "inline",
    entropy: AnyEntropy = "seeded",
    driver: str = "asyncio",
    io: Io = "auto",
    target: str = "",
) -> Diagnosis:
    """Run a scenario twice without any fault and compare the runs event by event."""
    under = Conditions.of(limits=limits, threads=threads, io=io, entropy=entropy, driver=driver)
    named = target or describe_target(scenario)
    first, second = (run_with(scenario, Calm(), under, target=named) for _ in range(2))
    once, again = first.run.trace, second.run.trace
    difference = divergence(once, again)
    same = once.digest == again.digest
    if not same and difference is None:
        difference = Divergence(0, once.digest, again.digest)
    heard_from = tuple(dict.fromkeys((*first.facts.heard_from, *second.facts.heard_from)))
    return Diagnosis(same, difference, first.run, heard_from)
