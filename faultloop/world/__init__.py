"""What surrounds the program: network, machines, disks, time. Call these in a scenario: they act on its run.

world.host("db", "10.0.0.5")                  a host and its address
world.link("localhost", "db", latency=0.05)   how far away it is
world.partition("localhost", "db")            … until world.heal()
world.node("worker-1").start(work, queue)     tasks that crash, pause and start again together
world.disk("worker-1").open("log")            what is synced outlives a crash
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager

from faultloop.errors import UsageError
from faultloop.world.asked import nanoseconds, number
from faultloop.world.disk import Disk, File, disk
from faultloop.world.hosts import Host
from faultloop.world.network import current_network
from faultloop.world.nodes import Node, node

_BANDWIDTH = "the bandwidth of a link, in bytes a second,"

__all__ = [
    "Disk",
    "File",
    "Host",
    "Node",
    "disk",
    "fell",
    "heal",
    "host",
    "link",
    "node",
    "on",
    "partition",
    "rise",
]


def host(name: str, *addresses: str) -> Host:
    """Make a host of the simulated network known. addresses: IPv4 or IPv6; one is made up where none is given.

    Raises UsageError (FL533) for what is no name or no address of its own.
    """
    return current_network().host(name, *addresses)


def on(name: str | Host) -> AbstractContextManager[None]:
    """Run what is inside, and the tasks it makes, on a host: sockets made there are that host's."""
    network = current_network()
    return network.on(network.require_host(name))


def link(one: str | Host, other: str | Host, *, latency: float | None = None, bandwidth: float | None = None) -> None:
    """Say how far apart two hosts are, both ways.

    latency: virtual seconds, one way.   bandwidth: bytes a second, infinite for no bound.
    Raises UsageError: FL306 where there is no such host, FL533 for what no link can have.
    """
    network = current_network()
    ends = network.require_host(one), network.require_host(other)
    _require_two(*ends)
    for here, there in (ends, ends[::-1]):
        way = network.links.between(here, there)
        if latency is not None:
            way.latency = nanoseconds("the latency of a link, in seconds,", latency)
        if bandwidth is not None:
            is_bound = bandwidth != math.inf
            way.bandwidth = math.ceil(number(_BANDWIDTH, bandwidth, above=0)) if is_bound else 0
        way.update()


def partition(one: str | Host, other: str | Host | None = None) -> None:
    """Cut one host off from another, or from all others. Connections stay, and what is sent over them is held back."""
    _part(one, other, is_parted=True)


def heal(one: str | Host | None = None, other: str | Host | None = None) -> None:
    """Undo partitions: between two hosts, of one host, or all. What was held back comes when its sender next tries."""
    network = current_network()
    for name in [one] if one is not None else list(network.hosts.all):
        _part(name, other, is_parted=False)


def _require_two(one: Host, other: Host) -> None:
    if one is other:
        raise UsageError(f"{one.name} is one host, and a host always reaches itself at once", code="FL533")


def _part(one: str | Host, other: str | Host | None, *, is_parted: bool) -> None:
    network = current_network()
    here = network.require_host(one)
    if other is not None:
        _require_two(here, network.require_host(other))
    for there in [network.require_host(other)] if other is not None else network.hosts.all:
        (network.part if is_parted else network.mend)(here, there)


def fell(name: str | Host) -> None:
    """Take a host's machine away: its sockets are gone without a word. Its tasks go on; they are not the network's."""
    network = current_network()
    network.fell(network.require_host(name))


def rise(name: str | Host) -> None:
    """Bring a host's machine back, without the sockets it had."""
    network = current_network()
    network.rise(network.require_host(name))
