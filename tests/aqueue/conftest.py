"""Both backends, both stores."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio.testing

from aqueue import MemoryStore, SqliteStore, Store
from tests.aqueue.support import JumpingLoop

BACKENDS = ("asyncio", "trio")


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Each test runs on both backends, in real time: for tests that use threads and wait for nothing."""
    return str(request.param)


@pytest.fixture(params=BACKENDS)
def virtual(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both backends in virtual time; a module overrides anyio_backend with it."""
    if request.param == "asyncio":
        return "asyncio", {"loop_factory": JumpingLoop}
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


@pytest.fixture(params=["memory", "sqlite"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Both stores; what one call returns sees what another one wrote."""
    if request.param == "sqlite":
        return lambda: SqliteStore(str(tmp_path / "jobs.db"), durability="process")
    store = MemoryStore()
    return lambda: store
