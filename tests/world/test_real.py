"""Servers in other processes of this machine: time waits for them, and not for ever."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import faultloop
from faultloop.cli import main
from faultloop.errors import ReplayDiverged, UsageError
from faultloop.world import outside
from tests.drivers.support import passed

SERVER = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    while question := connection.recv(100):
        if question != b"silence":
            sum(range(3_000_000))  # it takes its time
            connection.send(question.upper())
"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.kill()


def test_virtual_time_waits_for_an_answer_from_another_process(port: int):
    async def scenario() -> list[object]:
        answers: list[object] = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.timeout(0.001):
                writer.write(b"question")
                answers.append(await reader.read(100))
            writer.close()
        return [*answers, asyncio.get_running_loop().time()]

    run = passed(scenario, io="real")
    assert run.value == [b"QUESTION", b"QUESTION", 0.0]
    assert run.trace.world.io == "real"


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outside, "ANSWER_SECONDS", 0.05)

    async def scenario() -> float:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"silence")
        await asyncio.sleep(1_000)
        writer.close()
        return asyncio.get_running_loop().time()

    assert passed(scenario, io="real").value == 1_000


def test_an_answer_in_two_pieces_is_one_step_of_the_program(monkeypatch: pytest.MonkeyPatch):
    """Goal: a run is the same again wherever it can be. Method: the second piece comes while the loop waits for it."""
    here, there = os.pipe()

    async def scenario() -> list[bytes]:
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        pieces: list[bytes] = []

        def read() -> None:
            pieces.append(os.read(here, 100))
            arrived.set()

        loop.add_reader(here, read)
        os.write(there, b"one ")
        await arrived.wait()
        loop.remove_reader(here)
        return pieces

    meanwhile = SimpleNamespace(perf_counter=time.perf_counter, sleep=lambda _: os.write(there, b"two"))
    monkeypatch.setattr(outside, "time", meanwhile)
    try:
        assert passed(scenario, io="real").value == [b"one two"]
    finally:
        os.close(here)
        os.close(there)


def test_a_program_that_watches_a_socket_without_ever_waiting_is_served():
    async def scenario() -> bytes:
        one, other = os.pipe()
        loop, heard = asyncio.get_running_loop(), list[bytes]()
        loop.add_reader(one, lambda: heard.append(os.read(one, 10)))
        os.write(other, b"word")
        while not heard:  # noqa: ASYNC110  # on purpose
            await asyncio.sleep(0)
        loop.remove_reader(one)
        os.close(one)
        os.close(other)
        return heard[0]

    assert passed(scenario, io="real").value == b"word"


lives = itertools.count(1)


async def another_each_time() -> None:
    """As if the server's answer depended on all that it was ever asked."""
    await asyncio.sleep(next(lives))
    await asyncio.sleep(1)


def test_what_is_not_the_same_twice_is_explored_on_real_sockets_alone():
    assert "not deterministic" in faultloop.explore(another_each_time, io="loopback").reason
    found = faultloop.explore(another_each_time, io="real", faults=["cancel"], runs=50)
    assert found.status == "passed"
    assert found.tried == 4  # parked and woken, at each of two awaits
    assert found.best_effort.startswith("best effort")
    assert any("nobody could have them again" in str(left_out) for left_out in found.not_tried)


def test_a_failure_beside_a_real_server_is_told_as_best_effort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "changing.py").write_text(
        "import asyncio, itertools\n"
        "lives = itertools.count(1)\n"
        "async def main():\n"
        "    await asyncio.sleep(next(lives))\n"
        "    try:\n"
        "        await asyncio.sleep(1)\n"
        "    except asyncio.CancelledError:\n"
        "        raise AssertionError('not released')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    assert main(["explore", "changing.py:main", "--io", "real", "--faults", "cancel", "--json", "found.json"]) == 1
    assert "best effort" in " ".join(capsys.readouterr().out.split())
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["best_effort"].startswith("best effort")
    path = found["failures"][0]["trace"]

    assert main(["replay", path]) == 3
    assert "likely     best effort" in capsys.readouterr().out
    with pytest.raises(ReplayDiverged, match="best effort"):
        faultloop.replay(path).raise_if_diverged()
    assert main(["replay", "--follow", "faults", path]) == 1


def test_real_servers_are_explored_in_one_process():
    with pytest.raises(UsageError, match="FL518"):
        faultloop.explore(another_each_time, io="real", jobs=2)
