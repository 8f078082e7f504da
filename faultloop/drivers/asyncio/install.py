"""What is changed in asyncio, anyio and aiosqlite, once per process, and is silent where no run of ours is."""

from __future__ import annotations

import functools

from faultloop.drivers import from_thread
from faultloop.drivers.asyncio import ordering
from faultloop.drivers.asyncio.aiosqlite_steps import step_aiosqlite
from faultloop.drivers.asyncio.threads import inline_anyio
from faultloop.drivers.imports import when_imported


@functools.cache
def install() -> None:
    """Put objects in the order of their creation, and let known libraries do without threads."""
    ordering.install()
    ordering.on_anyio_backend(inline_anyio)
    from_thread.install()
    when_imported("aiosqlite.core", step_aiosqlite)
