"""From what a run was asked for to the network it gets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import get_args

from faultloop.drivers.asyncio.loop import Loop
from faultloop.drivers.network import Network as AnyNetwork
from faultloop.errors import UsageError
from faultloop.model.world import Io, World
from faultloop.world.faults import read_network_faults
from faultloop.world.network import Network
from faultloop.world.outside import Outside

MODES: tuple[str, ...] = get_args(Io)


def world_of(io: str, faults: tuple[str, ...] = ()) -> World:
    """A run's surroundings. Raises UsageError: FL516 for another word, FL514 for an unknown network fault."""
    if io not in MODES:
        raise UsageError(f'there is no io "{io}"; there are {", ".join(MODES)}', code="FL516")
    if faults and io in ("loopback", "real"):
        raise UsageError(
            f'network faults need a simulated network, and io="{io}" has none: use "auto" or "simulated"', code="FL516"
        )
    return World(io, read_network_faults(faults))  # type: ignore[arg-type]  # it is one of them


def network_of(world: World) -> Callable[[Loop], AnyNetwork] | None:
    """What makes the network of a loop; None for real sockets alone."""
    match world.io:
        case "loopback":
            return None
        case "real":
            return Outside
        case "auto":
            return partial(Network, loopback="real", faults=world.faults)
        case "simulated":
            return partial(Network, loopback="simulated", faults=world.faults)
