"""The loop alone has the world of a run: network, chance and clocks, while it runs and at no other time."""

import asyncio
import gc
import random
import socket
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import faultloop
from faultloop.errors import Deadlock, EscapeRefused, UsageError
from tests.world.connections import said
from tests.world.test_hosts import ask, echo

ORIGINALS = (random.random, time.time, time.monotonic, socket.socket, socket.getaddrinfo)


def names() -> tuple[Any, ...]:
    return (random.random, time.time, time.monotonic, socket.socket, socket.getaddrinfo)


def runner(**how: Any) -> asyncio.Runner:
    return asyncio.Runner(loop_factory=partial(faultloop.new_event_loop, **how))


async def draw() -> list[float]:
    await asyncio.sleep(random.random())
    return [random.random(), time.monotonic(), time.time()]


def test_a_runner_has_the_simulated_network():
    async def scenario() -> bytes:
        faultloop.world.link("localhost", faultloop.world.host("db"), latency=0.5)
        await asyncio.start_server(echo, "db", 80)
        answer = await ask("db", 80)
        assert asyncio.get_running_loop().time() > 1
        return answer

    with runner() as one:
        assert one.run(scenario()) == b"question"


@pytest.mark.parametrize(("io", "is_real"), [("auto", True), ("loopback", True), ("real", True), ("simulated", False)])
def test_a_runner_has_the_network_that_was_asked_for(io: str, is_real: bool):
    async def scenario() -> bool:
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            assert await ask(*server.sockets[0].getsockname()) == b"question"
            return server.sockets[0].fileno() < 1 << 20

    with runner(io=io) as one:
        assert one.run(scenario()) is is_real
        if io != "simulated":
            return
        with pytest.raises(EscapeRefused):
            one.run(ask("nobody", 80))


def test_chance_in_a_runner_is_its_seeds_and_time_is_its_loops():
    drawn = []
    for seed in (None, 1, 1, 2):
        with runner(seed=seed) as one:
            drawn.append(one.run(draw()))
    assert drawn[1] == drawn[2]
    assert len({tuple(each) for each in drawn}) == 3
    with runner(entropy="real") as one:
        assert abs(one.run(draw())[2] - time.time()) < 1_000


def test_a_second_run_goes_on_where_the_first_one_ended():
    with runner(seed=1) as one:
        first, second = one.run(draw()), one.run(draw())
    assert second[0] != first[0]
    assert second[1] > first[1]
    with runner(seed=1) as again:
        assert [again.run(draw()), again.run(draw())] == [first, second]


async def _raises() -> None:
    assert names() != ORIGINALS
    raise OSError("as a program may")


async def _waits_for_nothing() -> None:
    await asyncio.get_running_loop().create_future()


async def _stops() -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(1)


async def _exits() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("program", "error"),
    [(_raises, OSError), (_waits_for_nothing, Deadlock), (_stops, RuntimeError), (_exits, SystemExit)],
)
def test_nothing_of_its_world_is_left_outside_however_a_run_ends(
    program: Callable[[], Any], error: type[BaseException]
):
    loop = faultloop.new_event_loop(seed=1)
    assert names() == ORIGINALS
    with pytest.raises(error):
        loop.run_until_complete(program())
    assert names() == ORIGINALS
    assert all(task.cancel() for task in asyncio.all_tasks(loop))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert names() == ORIGINALS
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None


def test_a_run_inside_a_runner_has_a_world_of_its_own():
    async def outer() -> list[Any]:
        before = random.random()
        inside = faultloop.run(draw, seed=7)
        return [before, inside.value, random.random(), time.monotonic()]

    async def alone() -> list[float]:
        return [random.random(), random.random()]

    with runner(seed=1) as one, runner(seed=1) as other:
        before, inside, after, now = one.run(outer())
        assert [before, after] == other.run(alone())
    assert now == 0.0
    assert inside == faultloop.run(draw, seed=7).value


def test_faults_of_the_network_strike_in_a_runner():
    async def scenario() -> str:
        await asyncio.start_server(echo, "db", 80)
        try:
            return (await ask("db", 80)).decode()
        except OSError as error:
            return said(error)

    seen = set()
    for seed in range(60):
        with runner(seed=seed, faults=["net:refuse"]) as one:
            seen.add(one.run(scenario()))
    assert seen == {"question", "ConnectionRefusedError(ECONNREFUSED)"}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"seed": 1, "faults": ["cancel worker @ get #1"]}, "FL519"),
        ({"faults": ["net:reset"]}, "FL519"),
        ({"seed": 1, "faults": ["net:reset"], "io": "real"}, "FL516"),
        ({"io": "pretend"}, "FL516"),
        ({"entropy": "some"}, "FL530"),
        ({"order": "none"}, "FL507"),
    ],
    ids=lambda each: str(each).translate(str.maketrans("", "", "{}[]'\" ")),
)
def test_what_is_asked_wrongly_is_refused_with_a_code(asked: dict[str, Any], code: str):
    with pytest.raises(UsageError) as refused:
        faultloop.new_event_loop(**asked)
    assert refused.value.code == code
