"""The network's faults: drawn, delivered as a kernel delivers them, recorded, replayed and shrunk."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import faultloop
from faultloop import Status, world
from faultloop.errors import UsageError
from faultloop.report.story import story
from faultloop.world.faults import HORIZON, KINDS, LATE, MOST, Questions, read_network_faults
from tests.drivers.support import passed
from tests.world.connections import said
from tests.world.test_hosts import echo

Scenario = Callable[[], Coroutine[Any, Any, Any]]


async def chat() -> list[str]:
    """Ten questions over one connection, each told as it was answered; the clock with it."""
    await asyncio.start_server(echo, "db", 80)
    loop, log = asyncio.get_running_loop(), list[str]()
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(5_000):
            reader, writer = await asyncio.open_connection("db", 80)
            for number in range(10):
                writer.write(b"%d" % number)
                await writer.drain()
                log.append((await reader.read(10)).decode())
    except (OSError, TimeoutError) as error:
        log.append(said(error))
    finally:
        if writer is not None:
            writer.close()
    return [*log, f"{loop.time():.3f}"]


async def post() -> list[str]:
    """Ten datagrams, told in the order in which they came."""
    loop = asyncio.get_running_loop()
    heard: list[str] = []

    class Listener(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            heard.append(data.decode())

    world.host("db")
    there, _ = await loop.create_datagram_endpoint(Listener, local_addr=("db", 53))
    here, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("db", 53))
    for number in range(10):
        here.sendto(b"%d" % number)
        await asyncio.sleep(0.001)
    await asyncio.sleep(100)
    here.close()
    there.close()
    return heard


CALM_POST = [str(number) for number in range(10)]


def outcomes(scenario: Scenario, kind: str, seeds: int = 60) -> list[Any]:
    """What the scenario says under one kind of fault, seed by seed; each run again from its trace."""
    found = []
    for seed in range(seeds):
        run = passed(scenario, seed=seed, faults=[kind])
        again = faultloop.replay(run.trace, scenario)
        assert again.same_digest
        assert again.run.value == run.value
        found.append(run.value)
    return found


def test_a_run_without_network_faults_asks_nothing():
    assert passed(chat, seed=1).trace.choices.count == 0
    assert passed(chat).value == passed(chat, seed=1).value == [*CALM_POST, "0.000"]
    assert passed(post).value == CALM_POST


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        ("net:reset", "ConnectionResetError(ECONNRESET)"),
        ("net:refuse", "ConnectionRefusedError(ECONNREFUSED)"),
        ("net:dns", "gaierror"),
        ("net:halfopen", "TimeoutError"),
    ],
)
def test_a_fault_is_seen_as_the_kernel_would_show_it(kind: str, sign: str):
    seen = outcomes(chat, kind)
    struck = [log for log in seen if any(line.startswith(sign) for line in log)]
    assert struck
    assert all(log in struck or log == [*CALM_POST, "0.000"] for log in seen)


@pytest.mark.parametrize("kind", ["net:latency", "net:dnslatency", "net:slow", "net:partition"])
def test_a_connection_bears_what_only_takes_time(kind: str):
    seen = outcomes(chat, kind)
    assert all(log[:-1] == CALM_POST for log in seen)
    assert any(log[-1] != "0.000" for log in seen)


def test_a_name_that_is_resolved_late_keeps_only_those_waiting_who_asked():
    async def scenario() -> list[float]:
        """When the name was resolved; when another task went on, which had nothing to do with it."""
        await asyncio.start_server(echo, "db", 80)
        loop = asyncio.get_running_loop()
        beside = asyncio.create_task(asyncio.sleep(0.005))
        _, writer = await asyncio.open_connection("db", 80)
        writer.close()
        connected = loop.time()
        await beside
        blocking = socket.getaddrinfo("db", 80)  # keeps all waiting, as it does everywhere
        assert blocking
        return [connected, loop.time() - connected]

    seen = outcomes(scenario, "net:dnslatency")
    assert {connected for connected, _ in seen} <= {0.0, *(late / 1e9 for late in LATE)}
    assert len({connected for connected, _ in seen}) > 2
    assert {round(later, 9) for connected, later in seen if connected} == {0.0}
    assert {later for connected, later in seen if not connected} > {0.005}


def test_datagrams_are_lost_late_and_doubled_one_by_one():
    lost, late, doubled = (outcomes(post, f"net:{kind}") for kind in ("loss", "reorder", "duplicate"))
    assert {len(log) for log in lost} <= {10 - struck for struck in range(MOST + 1)}
    assert min(map(len, lost)) < 10
    assert all(sorted(log) == CALM_POST for log in late)
    assert any(log != CALM_POST for log in late)
    assert {len(log) for log in doubled} > {10}
    assert all(sorted(set(log)) == CALM_POST for log in doubled)


def test_exploring_finds_a_client_that_does_not_bear_a_reset_and_shrinks_it_to_one_answer():
    async def scenario() -> None:
        log = await chat()
        assert log[:-1] == CALM_POST, log

    found = faultloop.explore(scenario, faults=["net:reset"], runs=200)
    assert found.status == "violated"
    (failure,) = found.failures
    assert "ConnectionResetError" in failure.message
    assert len(failure.trace.choices.picks) == 1
    assert failure.trace.world.faults == ("net:reset",)
    told = story(failure.trace).splitlines()
    assert told[0] == "A network fault (net:reset) breaks it."
    assert any("network" in line and "net:reset" in line and "→" in line for line in told[1:])
    assert faultloop.replay(failure.trace, scenario).run.status is Status.VIOLATED


def test_exploring_says_nothing_of_a_client_that_tries_again():
    async def scenario() -> None:
        await asyncio.start_server(echo, "db", 80)
        for _ in range(MOST + 1):
            try:
                reader, writer = await asyncio.open_connection("db", 80)
                writer.write(b"x")
                answer = await reader.readexactly(1)
                writer.close()
            except (ConnectionError, asyncio.IncompleteReadError):
                continue
            assert answer == b"x"
            return
        raise AssertionError("no attempt came through")

    assert faultloop.explore(scenario, faults=["net:reset", "net:latency"], runs=200).status == "passed"


def test_loopback_has_no_faults_while_it_is_real_and_has_them_when_it_is_simulated():
    async def scenario() -> bool:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        try:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            for _ in range(HORIZON):
                writer.write(b"x")
                await reader.readexactly(1)
            writer.close()
        except ConnectionError:
            return True
        return False

    assert not any(passed(scenario, seed=seed, faults=["net:reset"]).value for seed in range(5))
    assert any(passed(scenario, seed=seed, faults=["net:reset"], io="simulated").value for seed in range(5))


def test_all_is_asked_before_anything_happens_and_strikes_where_it_was_answered():
    asked: list[int] = []

    def choose(options: int) -> int:
        asked.append(options)
        return 3

    questions = Questions(["net:loss", "net:latency"], choose)
    assert asked == [HORIZON] * MOST + [HORIZON, len(LATE)] * MOST
    assert [questions.strike("net:loss") for _ in range(9)] == [None, None, 0] * 2 + [None] * 3
    assert [questions.strike("net:latency") for _ in range(9)] == [None, None, LATE[3]] * 2 + [None] * 3
    assert questions.strike("net:reset") is None
    assert questions.is_calm
    assert Questions(["net:loss"], lambda options: 0).is_calm


def test_a_failure_that_was_found_by_a_decider_that_looks_is_the_same_when_it_is_recorded():
    """Such a decider answers step by step; the trace is replayed by one that answers turn by turn."""

    async def scenario() -> None:
        await asyncio.gather(*(asyncio.sleep(0) for _ in range(3)))
        log = await chat()
        assert log[:-1] == CALM_POST, log

    found = faultloop.explore(scenario, faults=["net:reset"], strategy="rff", runs=100)
    assert found.failures
    assert not [reason for reason in found.not_tried if "not deterministic" in str(reason)]


def test_an_unknown_network_fault_is_refused_with_the_known_ones():
    assert read_network_faults(["net"]) == tuple(sorted(KINDS))
    with pytest.raises(UsageError, match="net:reset"):
        read_network_faults(["net:resett"])
    with pytest.raises(UsageError, match="a simulated network"):
        faultloop.run(chat, faults=["net:reset"], io="loopback")
    with pytest.raises(UsageError, match="simulated"):
        faultloop.run(chat, io="pretend")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="inside a scenario"):
        world.host("db")
