"""Giving a trace's answers again, and saying where the program no longer asks for them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from msgspec import structs

from faultloop.checks.standard import Checks
from faultloop.deciders.calm import Calm
from faultloop.deciders.protocol import Decider
from faultloop.drivers.looking import Guide
from faultloop.drivers.settings import Scenario
from faultloop.engine.compare import Divergence, divergence
from faultloop.engine.paths import bare_function
from faultloop.errors import ReplayDiverged, TargetError, UsageError
from faultloop.model.faults import PlannedFault
from faultloop.model.trace import Order, Trace
from faultloop.search.conditions import Conditions
from faultloop.search.place import find_root
from faultloop.search.program import answering
from faultloop.search.run import MakeGuide, PathOf, Run, run_with
from faultloop.search.shrink import Script
from faultloop.search.shrink import follow as follow_script
from faultloop.search.shrink.follow import Follower
from faultloop.search.shrink.stored import TaskNumbers, read_listing, read_orders
from faultloop.search.target import load_target
from faultloop.search.tracefile import load_trace


@dataclass(frozen=True, slots=True)
class Replay:
    """A run that was made from a trace.

    same_digest: whether it is the recorded run, step for step.   divergence: the first difference if it is not; always
    None when only the faults were followed, for then the rest is free.   followed: where the answers no longer fit, a
    run that follows the recorded order by the names of its steps instead; None if there is no such order, or it was
    not needed.   held: whether following by name held any step back, which is what the order was about.
    """

    run: Run
    trace: Trace
    same_digest: bool
    divergence: Divergence | None = None
    followed: Run | None = None
    held: bool = True

    def raise_if_diverged(self) -> None:
        """Raise ReplayDiverged, with both sides, if this is not the recorded run."""
        if self.divergence is not None:
            lines = [f"replay diverged: {self.divergence}"]
            lines += [f"  alike   {line}" for line in self.divergence.context]
            effort = self.trace.world.best_effort
            changed = "The code or its inputs changed since the recording, or something in it is not deterministic."
            lines.append(f"  {effort or changed}")
            raise ReplayDiverged("\n".join(lines))


def replay(
    trace: Trace | str | os.PathLike[str],
    scenario: Scenario | None = None,
    *,
    follow: Literal["choices", "faults"] = "choices",
    root: str | os.PathLike[str] | None = None,
    allow_import: bool = False,
    checks: Checks | None = None,
) -> Replay:
    """Run a trace's scenario again with its answers.

    trace: a trace, or the path of its file.   scenario: instead of the one the trace names.
    follow: `choices` gives every answer again and compares step for step; `faults` delivers the faults at their
    addresses, follows an order by the names of its steps, and leaves all else calm, to see whether a fix holds. A
    scenario of another name stands for the recorded one: its root task for the root task there.
    root: the project, under which the scenario must lie.   allow_import: trust the trace to name one elsewhere.
    checks: instead of those the trace was recorded with.
    Raises TraceError, TargetError and ImportRefused.
    """
    if follow not in ("choices", "faults"):
        raise UsageError(f'follow is "choices" or "faults", not "{follow}"')
    recorded = trace if isinstance(trace, Trace) else load_trace(trace)
    if scenario is None:
        scenario = _scenario_of(recorded, Path(root) if root is not None else find_root(os.getcwd()), allow_import)
    again = _Again(recorded, scenario, Conditions.of_trace(recorded, checks))
    if follow == "faults":
        again = replace(again, trace=_of_another_root(recorded, scenario))
        run, held = again.by_name()
        return Replay(run, recorded, run.trace.digest == recorded.digest, held=held)
    run = again.by_answers()
    if run.trace.digest == recorded.digest:
        return Replay(run, recorded, True)
    followed, held = again.by_name() if recorded.choices.departures else (None, True)
    return Replay(run, recorded, False, _first_difference(recorded, run.trace), followed, held)


@dataclass(frozen=True, slots=True)
class _Again:
    """Two ways to run a trace again."""

    trace: Trace
    scenario: Scenario
    under: Conditions

    def by_answers(self) -> Run:
        """Every answer again."""
        trace = self.trace
        return self._run(answering(trace.choices), trace.order, None)

    def by_name(self) -> tuple[Run, bool]:
        """The faults at their addresses and the order by the names of its steps; whether that held any step back."""
        choices = self.trace.choices
        if self.trace.world.faults:  # the network's are among the answers, and have no other address
            return self.by_answers(), True
        if not choices.departures:
            return self._run(Calm(), "fifo", None), True
        numbers = TaskNumbers()
        script: Script = (
            read_listing(choices.blocks, numbers.number)
            if choices.base == "run-on"
            else read_orders(((*each.first, *each.then) for each in choices.departures), numbers.number)
        )
        made: list[Follower] = []

        def guide(path_of: PathOf) -> Guide:
            made.append(follow_script(script, lambda ordinal: numbers.number(path_of(ordinal))))
            return made[0]

        run = self._run(Calm(), self.trace.order, guide)
        return run, bool(made[0].attempt(run.status.is_failure).departures)

    def _run(self, decider: Decider, order: Order, guide: MakeGuide | None) -> Run:
        trace = self.trace
        return run_with(
            self.scenario,
            decider,
            self.under,
            faults=trace.faults,
            seed=trace.seed,
            order=order,
            target=trace.target.ref,
            guide=guide,
        ).run


def _of_another_root(trace: Trace, scenario: Scenario) -> Trace:
    """The trace with its root task named after the scenario, so that a variant of the recorded one can follow it."""
    recorded = trace.tasks[0].path if trace.tasks else ""
    root = bare_function(getattr(scenario, "__qualname__", recorded))

    def moved(path: str) -> str:
        top, slash, rest = path.partition("/")
        return f"{root}{slash}{rest}" if top == recorded else path

    def moved_fault(planned: PlannedFault) -> PlannedFault:
        racing = planned.at.racing
        racing = structs.replace(racing, task=moved(racing.task)) if racing is not None else None
        return structs.replace(planned, at=structs.replace(planned.at, task=moved(planned.at.task), racing=racing))

    if root == recorded:
        return trace
    departures = tuple(
        structs.replace(each, first=(moved(each.first[0]), each.first[1]), then=(moved(each.then[0]), each.then[1]))
        for each in trace.choices.departures
    )
    blocks = tuple((moved(path), steps) for path, steps in trace.choices.blocks)
    choices = structs.replace(trace.choices, departures=departures, blocks=blocks)
    return structs.replace(trace, faults=tuple(map(moved_fault, trace.faults)), choices=choices)


def _first_difference(recorded: Trace, again: Trace) -> Divergence:
    found = divergence(recorded, again)
    if found is not None:
        return found
    return Divergence(0, f"the digest {recorded.digest}", again.digest)


def _scenario_of(trace: Trace, root: Path, allow_import: bool) -> Scenario:
    if not trace.target.ref:
        raise TargetError(
            "the trace names no scenario (it was recorded from a function inside another): give one to replay()"
        )
    return load_target(trace.target.ref, root=root, confined=not allow_import)
