"""A PostgreSQL server that crashes: what was acknowledged is there when it is back, and meanwhile it is said so."""

from __future__ import annotations

import re
from collections.abc import Iterator

import anyio
import psycopg
import pytest

from aqueue.cli import main
from tests.aqueue.server_crash import crash_test
from tests.support.postgres import Crashable, crashable_server


@pytest.fixture(scope="module")
def server() -> Iterator[Crashable]:
    with crashable_server() as server:
        yield server


def test_a_server_that_crashes_under_a_queue_loses_nothing_and_doubles_nothing(server: Crashable):
    found = anyio.run(crash_test, server, 2, 40, 0)
    assert (found.crashes, found.lost, found.twice, found.unlike, found.violations) == (2, set(), 0, 0, ())
    assert set(found.states) == {"succeeded"}
    assert len(found.acknowledged) >= 40
    assert found.heard
    assert all(re.match(r"AQ011 .+ Expected: the store to answer\. What to do: ", told) for told in found.heard)


@pytest.mark.parametrize(
    "command",
    [["stats"], ["check"], ["repair"], ["repair", "--dry-run"], ["dead", "redrive", "--all"], ["cancel", "1"]],
)
def test_a_command_says_that_the_server_is_gone_and_works_when_it_is_back(
    server: Crashable, capsys: pytest.CaptureFixture[str], command: list[str]
):
    server.crash("SIGKILL")
    try:
        code = main([*command, "--store", server.url])
    finally:
        server.start()
    told = capsys.readouterr().err
    assert code == 3
    assert told.startswith("aqueue: AQ011 connection failed")
    assert "What to do: repeat the operation, it is safe" in told
    assert "Traceback" not in told
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert main([*command, "--store", server.url]) in (0, 1)
