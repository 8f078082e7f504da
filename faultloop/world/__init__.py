"""What surrounds the program: for now, its network. Call these inside a scenario; they act on the run it is in.

world.host("db", "10.0.0.5")                  a host and its address
world.link("localhost", "db", latency=0.05)   how far away it is
world.partition("localhost", "db")            … until world.heal()
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from faultloop.model.faults import NANOSECONDS
from faultloop.world.hosts import Host
from faultloop.world.network import current_network

__all__ = ["Host", "fell", "heal", "host", "link", "on", "partition", "rise"]


def host(name: str, *addresses: str) -> Host:
    """Make a host of the simulated network known. addresses: IPv4 or IPv6; one is made up where none is given."""
    return current_network().host(name, *addresses)


def on(name: str | Host) -> AbstractContextManager[None]:
    """Run what is inside, and the tasks it makes, on a host: sockets made there are that host's."""
    network = current_network()
    return network.on(network.require_host(name))


def link(one: str | Host, other: str | Host, *, latency: float | None = None, bandwidth: float | None = None) -> None:
    """Say how far apart two hosts are, both ways. latency: virtual seconds, one way.   bandwidth: bytes a second."""
    network = current_network()
    ends = network.require_host(one), network.require_host(other)
    for here, there in (ends, ends[::-1]):
        way = network.links.between(here, there)
        if latency is not None:
            way.latency = round(latency * NANOSECONDS)
        if bandwidth is not None:
            way.bandwidth = round(bandwidth)
        way.update()


def partition(one: str | Host, other: str | Host | None = None) -> None:
    """Cut one host off from another, or from all others. Connections stay, and what is sent over them is held back."""
    _part(one, other, is_parted=True)


def heal(one: str | Host | None = None, other: str | Host | None = None) -> None:
    """Undo partitions: between two hosts, of one host, or all. What was held back comes when its sender next tries."""
    network = current_network()
    for name in [one] if one is not None else list(network.hosts.all):
        _part(name, other, is_parted=False)


def _part(one: str | Host, other: str | Host | None, *, is_parted: bool) -> None:
    network = current_network()
    here = network.require_host(one)
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
