"""Servers in other processes of this machine: time waits for them, and not for ever."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

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
