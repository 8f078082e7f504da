"""What a finding must prove: exploring finds it, where it says, and the control holds under what the control is given.

A real server is beside the run, so it is best effort: `explore` counts a failure only if a second run fails as well.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import faultloop
from failure_modes.released.findings import Faults, Finding


def scenarios(finding: Finding) -> ModuleType:
    """Its module. It imports the library, which must be installed."""
    return importlib.import_module(finding.module)


def reproduced(finding: Finding) -> list[str]:
    """What there is against it, in sentences: it is not found, not as it says, or not under its address."""
    scenario = scenarios(finding).scenario
    told = _explored(scenario, finding.found)
    objections = []
    if not any(finding.said in failure.message for failure in told.failures):
        seen = [failure.message for failure in told.failures] or told.reason or f"nothing in {told.runs} runs"
        objections.append(f"exploring does not find «{finding.said}»: {seen}")
    again = faultloop.run(scenario, faults=[finding.fault], io="real")
    if not again.status.is_failure or finding.said not in str(again.exception):
        where = again.not_reached[0].nearest if again.not_reached else again.exception
        objections.append(f"«{finding.fault}» does not show it: {again.status.value}, {where}")
    return objections


def controlled(finding: Finding) -> list[str]:
    """What there is against its control: that it fails, or that nothing was tried."""
    told = _explored(scenarios(finding).control, finding.held)
    if told.status != "passed":
        return [f"the control ends otherwise: {told.reason or [failure.message for failure in told.failures]}"]
    return [] if told.tried else ["nothing was tried on the control"]


def _explored(scenario: object, faults: Faults) -> faultloop.Exploration:
    return faultloop.explore(
        scenario,  # type: ignore[arg-type]
        faults=list(faults.kinds),
        tasks=faults.tasks,
        runs=faults.runs,
        strategy="sweep",
        io="real",
    )
