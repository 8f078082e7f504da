"""What a scenario says of its world that cannot be is refused where it is said, in a sentence with a code."""

import asyncio
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

import faultloop
from faultloop import Entropy, world
from faultloop.errors import UsageError
from tests.drivers.support import value
from tests.world.test_hosts import ask, echo

NAN, INFINITE = math.nan, math.inf


async def work() -> None:
    await asyncio.sleep(1)


def link(**how: Any) -> None:
    world.host("db")
    world.link("localhost", "db", **how)


def disk_of_two_minds() -> None:
    world.disk("store", capacity=10)
    assert world.disk("store").capacity == 10
    world.disk("store", capacity=20)


IMPOSSIBLE: dict[str, tuple[Callable[[], Any], str]] = {
    "no address": (lambda: world.host("db", "ten"), '"ten" is no address'),
    "another's address": (
        lambda: [world.host(name, "10.0.0.5") for name in "ab"],
        "10.0.0.5 is the address of a already",
    ),
    "loopback": (lambda: world.host("db", "127.0.0.1"), "each host has a loopback of its own"),
    "any address": (lambda: world.host("db", "::"), "no address of one host"),
    "an address for a name": (lambda: world.host("10.0.0.5", "10.0.0.6"), "a host called 10.0.0.5 has that address"),
    "no name of a host": (lambda: world.host(""), "a text that is not empty, not ''"),
    "no name of a node": (lambda: world.node(3), "a text that is not empty, not 3"),  # type: ignore[arg-type]
    "latency below none": (lambda: link(latency=-1), "at least 0, not -1"),
    "latency of nothing": (lambda: link(latency=NAN), "a number, not nan"),
    "no bandwidth": (lambda: link(bandwidth=0), "above 0, not 0"),
    "link to itself": (lambda: world.link("localhost", "localhost", latency=1), "localhost is one host"),
    "partition of one": (lambda: world.partition("localhost", "localhost"), "localhost is one host"),
    "clock of nothing": (lambda: world.node("n", clock=NAN), "the clock of a node, in seconds ahead, is a number"),
    "jump of a text": (lambda: world.node("n").jump("5"), "is a number, not '5'"),  # type: ignore[arg-type]
    "jump without end": (lambda: world.node("n").jump(INFINITE), "is a number, not inf"),
    "clock that goes back": (lambda: world.node("n").drift(-1), "above -1, not -1"),
    "restart before now": (lambda: world.node("n").restart(after=-1), "at least 0, not -1"),
    "a call": (lambda: world.node("n").start(work()), "start(work, …) with its arguments"),  # type: ignore[arg-type]
    "no function": (lambda: world.node("n").start("work"), "not 'work'"),  # type: ignore[arg-type]
    "no async function": (lambda: world.node("n").start(print), "print is none: it returned None"),  # type: ignore[arg-type]
    "disk of less than nothing": (lambda: world.disk("n", capacity=-1), "at least 0, not -1"),
    "disk without bandwidth": (lambda: world.disk("n", bandwidth=0), "above 0, not 0"),
    "unknown crash": (lambda: world.disk("n", at_crash="tron"), "any, lost, kept, torn, not 'tron'"),  # type: ignore[arg-type]
    "two disks": (disk_of_two_minds, "the disk of node store has capacity=10"),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_what_cannot_be_is_refused_by_name(what: str):
    say, told = IMPOSSIBLE[what]

    async def scenario() -> None:
        with pytest.raises(UsageError, match=re.escape(told)) as caught:
            say()
        assert caught.value.code == "FL533"

    value(scenario)


def test_a_host_may_be_called_by_its_address():
    async def scenario() -> tuple[str, ...]:
        return world.host("10.0.0.9").addresses

    assert value(scenario) == ("10.0.0.9",)


def test_a_link_loses_its_bound_when_it_is_told_that_it_has_none():
    async def scenario() -> list[float]:
        await asyncio.start_server(echo, "db", 80)
        loop, took = asyncio.get_running_loop(), list[float]()
        for bandwidth in (1_000, 0.25, math.inf):
            world.link("localhost", "db", bandwidth=bandwidth)
            began = loop.time()
            assert await ask("db", 80, b"12345678") == b"12345678"
            took.append(loop.time() - began)
        return took

    assert value(scenario) == pytest.approx([0.016, 16.0, 0.0])


def test_anything_that_makes_a_coroutine_starts_on_a_node():
    class Worker:
        def __init__(self) -> None:
            self.ran = 0

        def __call__(self, by: int) -> Any:
            return self.run(by)

        async def run(self, by: int) -> None:
            self.ran += by

    async def scenario() -> int:
        worker = Worker()
        node = world.node("n")
        node.start(worker, 1)
        node.start(worker, 2)
        await node.finished()
        return worker.ran

    assert value(scenario) == 3


def test_places_before_a_file_are_refused_as_by_the_kernel():
    async def scenario() -> None:
        file = world.disk("store").open("log")
        for attempt in (lambda: file.write(b"x", at=-1), lambda: file.read(at=-1), lambda: file.truncate(-1)):
            with pytest.raises(OSError, match="Invalid argument"):
                await attempt()

    value(scenario)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"threads": "inlined"}, "there are inline, real, paced [FL523]"),
        ({"limits": 3}, "limits are faultloop.Limits(...), not 3 [FL523]"),
        ({"checks": True}, "checks are faultloop.Checks(...), not True [FL523]"),
        ({"faults": [3]}, "a fault is an address as text, or a PlannedFault, not 3 [FL508]"),
        ({"seed": -1}, "a seed is a whole number from 0, not -1 [FL523]"),
        ({"seed": "one"}, "a seed is a whole number from 0, not 'one' [FL523]"),
        ({"entropy": Entropy(spared="myapp")}, 'spared=("myapp",) [FL530]'),  # type: ignore[arg-type]
    ],
)
def test_a_run_that_is_asked_for_wrongly_is_refused(asked: dict[str, Any], told: str):
    with pytest.raises(UsageError, match=re.escape(told)):
        faultloop.run(work, **asked)
