"""The seam between searching and where runs happen: what a driver can do, and which there are, by name.

A driver's modules are imported when it is first asked for, so that nobody needs trio who does not use it.
What each must keep is in tests/drivers/conformance, which takes up whatever stands in DRIVERS. Another one is made
known there by the name of its library, as tests/drivers/third_driver.py shows.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from functools import cache
from typing import Protocol, cast

from faultloop.drivers.facts import Facts, Guided, Wait
from faultloop.drivers.frames import ChainTable, SiteTable
from faultloop.drivers.looking import Guide, Keep
from faultloop.drivers.settings import Scenario, Settings
from faultloop.drivers.strike import Strike
from faultloop.engine.plan import Plan
from faultloop.engine.recorder import Recorder
from faultloop.errors import UsageError
from faultloop.model.address import format_fault
from faultloop.model.faults import PlannedFault
from faultloop.model.points import Phase

DRIVERS = {"asyncio": "faultloop.drivers.asyncio.driver", "trio": "faultloop.drivers.trio.driver"}


class Watched(Protocol):
    """What is left of watching a run. waits: every wait, if they were to be kept."""

    waits: list[Wait] | None


class Driver(Protocol):
    """Where runs happen.

    PHASES: those it has, in the order in which a sweep tries them.
    """

    PHASES: tuple[Phase, ...]

    @staticmethod
    def execute(scenario: Scenario, settings: Settings, *, strikes: tuple[Strike, ...] = ()) -> Facts:
        """Run a scenario at full speed."""
        ...

    @staticmethod
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
    ) -> tuple[Facts, Watched]:
        """Run a scenario with everything recorded."""
        ...

    @staticmethod
    def execute_guided(
        scenario: Scenario, settings: Settings, guide: Guide, *, sites: ChainTable, footprints: bool = False
    ) -> Guided:
        """Run a scenario under a decider that looks."""
        ...


@cache
def driver_named(name: str) -> Driver:
    """The driver of this name. Raises UsageError (FL506) if there is none, or its library is not installed."""
    if name not in DRIVERS:
        names = " and ".join(f'"{known}"' for known in DRIVERS)
        raise UsageError(f'there is no driver "{name}"; there are {names}', code="FL506")
    if importlib.util.find_spec(name) is None:
        raise UsageError(f'driver "{name}" needs {name}: pip install {name}', code="FL506")
    return cast(Driver, importlib.import_module(DRIVERS[name]))


def require_phases(name: str, faults: Sequence[PlannedFault]) -> None:
    """Raise UsageError (FL503) for a phase that is asked for and that the driver does not have."""
    phases = driver_named(name).PHASES
    for planned in faults:
        if planned.at.phase not in phases:
            raise UsageError(
                f"{format_fault(planned)}: on {name} there is no phase {planned.at.phase.value}: a task that it has "
                f"made ready can no longer be reached. There are {' and '.join(phases)}",
                code="FL503",
            )
