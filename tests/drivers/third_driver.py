"""A third driver, as a pytest plugin: asyncio's by another name; with a promise broken if FAULTLOOP_THIRD says so."""

import os
from typing import Any

from faultloop.drivers import driver as known
from faultloop.drivers.asyncio import driver as asyncio_driver
from faultloop.engine.plan import Plan

PHASES = asyncio_driver.PHASES
execute = asyncio_driver.execute
execute_guided = asyncio_driver.execute_guided
IS_BROKEN = os.environ.get("FAULTLOOP_THIRD") == "broken"


def execute_traced(*given: Any, plan: Plan | None, **how: Any) -> Any:
    """As asyncio's; broken, it never delivers a fault."""
    return asyncio_driver.execute_traced(*given, plan=None if IS_BROKEN else plan, **how)


known.DRIVERS[__name__] = __name__
