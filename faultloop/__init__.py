"""faultloop: a fault-injection harness for async Python.

An event loop of ours owns who runs next and what time it is, so a scenario can be cancelled, timed out, failed or
delayed at one exact await, and the same run can be had again from a trace.

Each name is imported when it is first asked for: pytest imports this package in every session, also where no test is to
run under faultloop, and must not pay for a loop then. What replays a trace of a test runs pytest in this process, which
would else warn that the package is there already: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faultloop.checks.standard import Checks
    from faultloop.engine.compare import Divergence
    from faultloop.engine.plan import NotReached
    from faultloop.errors import FaultloopError
    from faultloop.model.entropy import Entropy
    from faultloop.model.faults import PlannedFault
    from faultloop.model.limits import Limits
    from faultloop.model.outcome import Outcome, Status
    from faultloop.model.places import Place, at, step
    from faultloop.model.trace import Trace
    from faultloop.search.doctor import Diagnosis, diagnose
    from faultloop.search.explore import Files, explore
    from faultloop.search.findings import Exploration, Failure, Progress
    from faultloop.search.replay import Replay, replay
    from faultloop.search.run import Run, new_event_loop, run
    from faultloop.search.tracefile import load_trace, save_trace
    from faultloop.world.notes import note

__all__ = [
    "Checks",
    "Diagnosis",
    "Divergence",
    "Entropy",
    "Exploration",
    "Failure",
    "FaultloopError",
    "Files",
    "Limits",
    "NotReached",
    "Outcome",
    "Place",
    "PlannedFault",
    "Progress",
    "Replay",
    "Run",
    "Status",
    "Trace",
    "at",
    "diagnose",
    "explore",
    "load_trace",
    "new_event_loop",
    "note",
    "replay",
    "run",
    "save_trace",
    "step",
]

__version__ = "0.1.0"

_HOMES = {
    "faultloop.checks.standard": ("Checks",),
    "faultloop.engine.compare": ("Divergence",),
    "faultloop.engine.plan": ("NotReached",),
    "faultloop.errors": ("FaultloopError",),
    "faultloop.model.entropy": ("Entropy",),
    "faultloop.model.faults": ("PlannedFault",),
    "faultloop.model.limits": ("Limits",),
    "faultloop.model.outcome": ("Outcome", "Status"),
    "faultloop.model.places": ("Place", "at", "step"),
    "faultloop.model.trace": ("Trace",),
    "faultloop.search.doctor": ("Diagnosis", "diagnose"),
    "faultloop.search.explore": ("Files", "explore"),
    "faultloop.search.findings": ("Exploration", "Failure", "Progress"),
    "faultloop.search.replay": ("Replay", "replay"),
    "faultloop.search.run": ("Run", "new_event_loop", "run"),
    "faultloop.search.tracefile": ("load_trace", "save_trace"),
    "faultloop.world.notes": ("note",),
}
"""Where each public name is defined."""


def __getattr__(name: str) -> object:
    import importlib

    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
