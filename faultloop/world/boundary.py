"""The whole boundary of a run: every row that the code declares, once all of that code is loaded."""

from __future__ import annotations

import importlib
import importlib.util

from faultloop.drivers.boundary import Row, declared

_DECLARING = (
    "faultloop.drivers.asyncio.loop",
    "faultloop.world.entropy",
    "faultloop.world.modes",
)
"""The modules that declare, or that load those that do."""


def boundary() -> tuple[Row, ...]:
    """All rows, what is controlled first."""
    for name in _DECLARING:
        importlib.import_module(name)
    if importlib.util.find_spec("trio") is not None:
        importlib.import_module("faultloop.drivers.trio.driver")
    from faultloop.world.entropy import patches

    patches()  # each patch is declared when it is made
    return declared()
