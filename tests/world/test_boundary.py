"""The table of the boundary says what the code does, because the code that does it is what says it."""

import asyncio
import concurrent.futures
import json
import re
import socket

import pytest

from faultloop.cli import main
from faultloop.drivers.boundary import FATES, Row, declare, declared
from faultloop.errors import EscapeRefused
from faultloop.report.boundary import boundary_table
from faultloop.world import chance, clocks
from faultloop.world.boundary import boundary
from tests.drivers.support import value


def test_every_replacement_is_declared_and_stands_in_its_place_during_a_run():
    patches = [*clocks.patches(), *chance.patches()]
    before = {id(patch): patch.original for patch in patches}

    async def scenario() -> list[str]:
        return [patch.name for patch in patches if vars(patch.owner)[patch.name] is before[id(patch)]]

    assert value(scenario) == []
    assert len(patches) > 35
    apis = " ".join(row.api for row in boundary() if row.fate == "controlled")
    assert [patch.name for patch in patches if patch.name not in apis] == []


def test_what_is_said_to_be_refused_is_refused():
    async def pool() -> None:
        with concurrent.futures.ProcessPoolExecutor() as processes:
            await asyncio.get_running_loop().run_in_executor(processes, print)

    async def elsewhere() -> None:
        await asyncio.open_connection("192.0.2.1", 80)

    async def doubling() -> None:
        await asyncio.start_server(lambda reader, writer: writer.close(), "db", 80)
        with socket.create_connection(("db", 80)) as sock:
            sock.dup()

    refused = [row for row in boundary() if row.fate == "refused"]
    assert sorted(row.how for row in refused) == ["FL301", "FL302", "FL303", "FL304", "FL307", "FL308"]
    # Those left out: test_hosts.py, test_entropy.py, drivers/test_threads_beside.py.
    for scenario, code in ((pool, "FL302"), (elsewhere, "FL301"), (doubling, "FL304")):
        with pytest.raises(EscapeRefused, match=code):
            value_or_raise(scenario)


def value_or_raise(scenario):
    import faultloop

    run = faultloop.run(scenario)
    assert run.exception is not None
    raise run.exception


def test_the_table_has_every_row(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", "--boundary"]) == 0
    said = capsys.readouterr().out
    assert [fate for fate in FATES if f"{fate}: {FATES[fate]}" not in said] == []
    words = set(re.findall(r"[\w.]+", said))
    apis = [row.api for row in boundary() if " " not in row.api]
    assert [api for api in apis if api not in words and api.rpartition(".")[2] not in words] == []
    assert max(map(len, said.splitlines())) <= 160


def test_the_table_for_machines_is_the_same(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", "--boundary", "--json", "-", "-q"]) == 0
    rows = json.loads(capsys.readouterr().out)["boundary"]
    assert [Row(**row) for row in rows] == list(boundary())


def test_a_doctor_without_anything_to_look_at_says_so(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor"]) == 2
    assert "--boundary" in capsys.readouterr().err


def test_of_two_rows_about_one_api_the_later_one_counts():
    count = len(declared())
    declare("for this test", "through", "first")
    declare("for this test", "refused", "second", "never")
    try:
        assert [row for row in declared() if row.api == "for this test"] == [
            Row("for this test", "refused", "second", "never")
        ]
        assert "second; otherwise: never" in boundary_table(declared())
        assert len(declared()) == count + 1
    finally:
        from faultloop.drivers import boundary as module

        del module._rows["for this test"]
