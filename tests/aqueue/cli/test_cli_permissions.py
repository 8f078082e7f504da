"""Files and folders that this user may not write, or not read: real permissions, as somebody who is not root."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import connect

import anyio
import pytest

from aqueue import Queue, SqliteStore, StoreUnavailable
from aqueue.store.sqlite import reading
from tests.aqueue.cli.conftest import Ask

NOBODY = 65534
LOOKING = ("ps", "stats", "dead list", "show 2", "check", "repair --dry-run", "cron list", "cron missed")
WRITING = ("cancel 6", "dead redrive 3", "dead park 2", "dead purge 2 --yes", "cron remove nightly", "spread --over 1m")


@contextmanager
def nobody() -> Generator[None]:
    """Be a user who owns nothing. Whoever runs the tests and is not root is one already, for what has no write bit."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def place(jobs: Path, ask: Ask) -> Iterator[Path]:
    """A folder that everybody may enter (pytest's own may not be), with the file of jobs in it."""
    ask("ps", "--store", f"sqlite:///{jobs}")  # imports what it needs: its folder may not be everybody's to read
    folder = Path(tempfile.mkdtemp(prefix="faultloop-permissions-"))
    try:
        folder.chmod(0o755)
        shutil.copy(jobs, folder / "jobs.db")
        yield folder
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def refused(ask: Ask, place: Path, commands: tuple[str, ...], told: str) -> None:
    before = (place / "jobs.db").read_bytes() if os.access(place / "jobs.db", os.R_OK) else None
    for command in commands:
        with nobody():
            answer = ask(*command.split(), "--store", f"sqlite:///{place / 'jobs.db'}")
        assert (answer.code, answer.out, answer.err[:13]) == (3, "", "aqueue: AQ011"), command
        assert told in answer.err
        assert "writable for the user that runs this" in answer.err
        assert answer.err.count("\n") == 1, "one sentence, and no log"
    assert before is None or (place / "jobs.db").read_bytes() == before


def seen(ask: Ask, place: Path) -> None:
    for command in LOOKING:
        with nobody():
            answer = ask(*command.split(), "--store", f"sqlite:///{place / 'jobs.db'}")
        assert (answer.code, answer.err) == (0, ""), command


def test_a_queue_in_a_folder_that_cannot_be_written_can_be_looked_at(ask: Ask, place: Path):
    (place / "jobs.db").chmod(0o444)
    place.chmod(0o555)
    seen(ask, place)
    assert os.listdir(place) == ["jobs.db"]
    refused(ask, place, WRITING, "readonly database")


def test_a_file_that_may_only_be_read_is_said_to_be_so_when_it_is_opened(ask: Ask, place: Path):
    (place / "jobs.db").chmod(0o444)
    place.chmod(0o777)
    seen(ask, place)
    refused(ask, place, WRITING, "may only be read")


async def opens(path: Path) -> None:
    async with Queue(SqliteStore(str(path))) as q, q.worker():
        raise AssertionError("a worker on a file that it may only read would ask for jobs for ever")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_worker_starts_on_a_file_that_it_may_only_read(place: Path, backend: str):
    (place / "jobs.db").chmod(0o444)
    place.chmod(0o777)
    with nobody(), pytest.raises(StoreUnavailable, match=r"AQ011.*may only be read.*writable for the user"):
        anyio.run(opens, place / "jobs.db", backend=backend)


@pytest.mark.parametrize("hidden", ["file", "folder"])
def test_what_may_not_be_read_is_not_called_damaged(ask: Ask, place: Path, hidden: str):
    (place / "jobs.db" if hidden == "file" else place).chmod(0)
    try:
        refused(ask, place, ("ps", "cancel 6"), "unable to open" if hidden == "file" else "Permission denied")
    finally:
        place.chmod(0o755)


def test_a_writer_that_comes_while_a_file_is_read_as_it_lies_is_found_out(
    ask: Ask, place: Path, monkeypatch: pytest.MonkeyPatch
):
    """Between the read and the look at what became of the file, somebody else writes it."""
    path = place / "jobs.db"
    read: Callable[..., object] = reading._read

    def read_and_write(*arguments: object) -> object:
        reply = read(*arguments)
        if os.getuid() == 0:
            os.seteuid(0)
        place.chmod(0o755)
        path.chmod(0o644)
        with closing(connect(path)) as connection, connection:
            connection.execute("DELETE FROM aq_job")
        return reply

    path.chmod(0o444)
    place.chmod(0o555)
    monkeypatch.setattr(reading, "_read", read_and_write)
    with nobody():
        answer = ask("ps", "--store", f"sqlite:///{path}")
    assert (answer.code, answer.out) == (3, "")
    assert "it was changed while it was read" in answer.err


def test_commands_make_no_queue_in_a_database_by_looking_for_one(
    ask: Ask, schema_url: str, tables_in: Callable[[str], list[str]]
):
    for command in (*LOOKING, *WRITING, "repair"):
        answer = ask(*command.split(), "--store", schema_url)
        assert (answer.code, answer.out, answer.err[:13]) == (2, "", "aqueue: AQ062"), command
        assert "looking for them does not" in answer.err
    assert tables_in(schema_url) == []


def test_a_database_of_another_version_is_refused_and_not_migrated(ask: Ask, schema_url: str):
    import psycopg

    async def make() -> None:
        async with Queue(schema_url):
            pass

    anyio.run(make)
    assert ask("ps", "--store", schema_url).code == 0
    for version, told in ((1, "is of version 1"), (99, "version 99")):
        with psycopg.connect(schema_url) as connection:
            connection.execute("UPDATE aq_meta SET value=%s WHERE key='schema'", (version,))
        for command in ("stats", "repair", "cancel 6"):
            answer = ask(*command.split(), "--store", schema_url)
            assert (answer.code, answer.err[:13], told in answer.err) == (2, "aqueue: AQ008", True)


@pytest.fixture
def tables_in() -> Callable[[str], list[str]]:
    """What tables the first schema of a database's search_path has."""
    import psycopg

    def look(url: str) -> list[str]:
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname=current_schema()")
            return [name for (name,) in found]

    return look
