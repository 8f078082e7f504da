"""The asyncio driver, as searching sees it."""

from __future__ import annotations

from faultloop.drivers.asyncio.guided import execute_guided
from faultloop.drivers.asyncio.run import execute, execute_traced
from faultloop.model.points import Phase

__all__ = ["PHASES", "execute", "execute_guided", "execute_traced"]

PHASES = (Phase.PARKED, Phase.WOKEN, Phase.RACING)
