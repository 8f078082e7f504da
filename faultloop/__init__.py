"""faultloop: a fault-injection harness for async Python.

An event loop of ours owns who runs next and what time it is, so a scenario can be cancelled, timed out, failed or
delayed at one exact await, and the same run can be had again from a trace.
"""

from faultloop.checks.standard import Checks
from faultloop.engine.compare import Divergence
from faultloop.engine.plan import NotReached
from faultloop.errors import FaultloopError
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

__all__ = [
    "Checks",
    "Diagnosis",
    "Divergence",
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
    "replay",
    "run",
    "save_trace",
    "step",
]

__version__ = "0.1.0"
