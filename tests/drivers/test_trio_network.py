"""trio's own sockets, streams, listeners and TLS on the simulated network."""

from typing import Any

import httpx
import pytest
import trio
import trio.socket

import faultloop
from faultloop import Status, world
from faultloop.drivers.trio import network, private
from faultloop.errors import UsageError
from tests.drivers.conformance.kit import passed
from tests.world.programs_tls import client_context, server_context


async def upper(stream: Any) -> None:
    async for data in stream:
        await stream.send_all(data.upper())


def test_a_server_and_a_client_of_trios_meet_by_name():
    async def scenario() -> list[object]:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(80, host="web.internal")
            nursery.start_soon(trio.serve_listeners, upper, listeners)
            world.link("localhost", "web.internal", latency=0.1)
            client = await trio.open_tcp_stream("web.internal", 80)
            await client.send_all(b"hello")
            answer = await client.receive_some()
            await client.send_eof()
            rest = await client.receive_some()
            nursery.cancel_scope.cancel()
        return [answer, rest, round(trio.current_time(), 9)]

    assert passed(scenario, "trio").value == [b"HELLO", b"", 0.6]


def test_tls_of_trios_runs_on_it():
    async def scenario() -> bytes:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_ssl_over_tcp_listeners(443, server_context(), host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, upper, listeners)
            stream = await trio.open_ssl_over_tcp_stream("127.0.0.1", 443, ssl_context=client_context())
            await stream.send_all(b"secret")
            answer = bytes(await stream.receive_some())
            nursery.cancel_scope.cancel()
        return answer

    assert passed(scenario, "trio", io="simulated").value == b"SECRET"


def test_httpx_runs_on_it():
    async def answer(stream: trio.SocketStream) -> None:
        while not (await stream.receive_some()).endswith(b"\r\n\r\n"):
            pass
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        await stream.aclose()

    async def scenario() -> str:
        listeners = await trio.open_tcp_listeners(80, host="web.internal")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, answer, listeners)
            async with httpx.AsyncClient(trust_env=False) as client:
                text = (await client.get("http://web.internal/")).text
            nursery.cancel_scope.cancel()
        return text

    assert passed(scenario, "trio").value == "hi"


def test_two_who_wait_for_one_socket_are_told_so():
    async def scenario() -> str:
        listener = (await trio.open_tcp_listeners(80, host="10.0.0.7"))[0]
        client = await trio.open_tcp_stream("10.0.0.7", 80)
        said = ""
        async with listener, client, trio.open_nursery() as nursery:
            nursery.start_soon(trio.lowlevel.wait_readable, client.socket)
            await trio.sleep(1)
            try:
                await trio.lowlevel.wait_readable(client.socket)
            except trio.BusyResourceError as error:
                said = str(error)
            nursery.cancel_scope.cancel()
        return said

    assert "already reading" in passed(scenario, "trio").value


def test_a_cancelled_connect_leaves_nothing_behind():
    async def scenario() -> bool:
        world.host("far", "10.0.0.9")
        world.partition("localhost", "far")
        with trio.move_on_after(1) as scope:
            await trio.open_tcp_stream("far", 80)
        return scope.cancelled_caught

    run = passed(scenario, "trio")
    assert (run.value, run.virtual_time) == (True, 1)


def test_a_fast_run_on_the_network_is_the_recorded_one():
    from faultloop.deciders.uniform import Uniform
    from faultloop.drivers.trio.driver import execute
    from faultloop.search.conditions import Conditions

    async def scenario() -> list[bytes]:
        said: list[bytes] = []

        async def ask(word: bytes) -> None:
            async with await trio.open_tcp_stream("10.0.0.7", 80) as client:
                await client.send_all(word)
                said.append(await client.receive_some())

        listeners = await trio.open_tcp_listeners(80, host="10.0.0.7")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, upper, listeners)
            async with trio.open_nursery() as clients:
                for word in (b"a", b"b", b"c"):
                    clients.start_soon(ask, word)
            nursery.cancel_scope.cancel()
        return said

    answers = set[bytes]()
    for seed in range(20):
        under = Conditions.of(driver="trio", seed=seed)
        fast = execute(scenario, under.settings("batch", Uniform(seed).choose))
        slow = passed(scenario, "trio", seed=seed, order="batch")
        assert (fast.value, fast.steps, fast.now) == (slow.value, slow.steps, slow.trace.stats.virtual_ns)
        answers.add(b"".join(slow.value))
    assert len(answers) > 3


def test_without_trios_helper_a_simulated_network_is_refused_and_loopback_is_not(monkeypatch: pytest.MonkeyPatch):
    async def scenario() -> None:
        await trio.sleep(1)

    def lost() -> Any:
        raise UsageError("no network [FL702]", code="FL702")

    network._install.cache_clear()
    monkeypatch.setattr(private, "socket_type", lost)
    with pytest.raises(UsageError, match="FL702"):
        faultloop.run(scenario, driver="trio")
    assert faultloop.run(scenario, driver="trio", io="loopback").status is Status.PASSED
