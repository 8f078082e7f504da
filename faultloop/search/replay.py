"""Giving a trace's answers again, and saying where the program no longer asks for them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faultloop.checks.standard import Checks, read_checks
from faultloop.deciders.calm import Calm
from faultloop.deciders.replay import Replay as Answers
from faultloop.drivers.asyncio_run import Scenario
from faultloop.engine.compare import Divergence, divergence
from faultloop.errors import ReplayDiverged, TargetError, UsageError
from faultloop.model.trace import Trace
from faultloop.search.place import find_root
from faultloop.search.run import Run, run_with
from faultloop.search.target import load_target
from faultloop.search.tracefile import load_trace


@dataclass(frozen=True, slots=True)
class Replay:
    """A run that was made from a trace.

    same_digest: whether it is the recorded run, step for step.   divergence: the first difference if it is not; always
    None when only the faults were followed, for then the rest is free.
    """

    run: Run
    trace: Trace
    same_digest: bool
    divergence: Divergence | None = None

    def raise_if_diverged(self) -> None:
        """Raise ReplayDiverged, with both sides, if this is not the recorded run."""
        if self.divergence is not None:
            lines = [f"replay diverged: {self.divergence}"]
            lines += [f"  alike   {line}" for line in self.divergence.context]
            lines.append(
                "  The code or its inputs changed since the recording, or something in it is not deterministic."
            )
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
    addresses and leaves the order calm, to see whether a fix holds.
    root: the project, under which the scenario must lie.   allow_import: trust the trace to name one elsewhere.
    checks: instead of those the trace was recorded with.
    Raises TraceError, TargetError and ImportRefused.
    """
    if follow not in ("choices", "faults"):
        raise UsageError(f'follow is "choices" or "faults", not "{follow}"')
    recorded = trace if isinstance(trace, Trace) else load_trace(trace)
    if scenario is None:
        scenario = _scenario_of(recorded, Path(root) if root is not None else find_root(os.getcwd()), allow_import)
    # A calm run asks nothing at all, so its replay must not either: the count of questions is part of the run.
    has_answers = follow == "choices" and recorded.choices.count > 0
    answers = Answers(recorded.choices) if has_answers else Calm()
    run = run_with(
        scenario,
        answers,
        faults=recorded.faults,
        seed=recorded.seed,
        order=recorded.order if follow == "choices" else "fifo",
        hold=recorded.hold,
        limits=recorded.limits,
        threads=recorded.threads,
        checks=checks if checks is not None else read_checks(recorded.checks),
        target=recorded.target.ref,
    ).run
    same = run.trace.digest == recorded.digest
    if same or follow == "faults":
        return Replay(run, recorded, same)
    return Replay(run, recorded, False, _first_difference(recorded, run.trace))


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
