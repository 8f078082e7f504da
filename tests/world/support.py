"""Running one program under stock asyncio, under our loop on real loopback, and on the simulated network."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from faultloop.drivers.asyncio.run import execute
from faultloop.drivers.facts import Facts
from faultloop.drivers.settings import Settings
from faultloop.world.network import Network

Log = list[Any]
Program = Callable[[Log], Awaitable[None]]
SIMULATED = partial(Network, loopback="simulated")
AUTO = partial(Network, loopback="real")


def on_stock_asyncio(program: Program) -> Log:
    """The log of a program under asyncio's own loop, on the kernel's loopback."""
    log: Log = []

    async def main() -> None:
        async with asyncio.timeout(20):
            await program(log)

    asyncio.run(main())
    gc.collect()
    return log


def on_our_loop(program: Program, network: Any) -> tuple[Log, Facts]:
    """The log of a program under our loop, which must end without an error. network: None for the kernel's loopback."""
    log: Log = []
    facts = execute(lambda: program(log), Settings(network=network))
    gc.collect()
    assert facts.halted is None, (facts.halted, log)
    if facts.error is not None:
        raise facts.error
    assert not facts.complaints, (facts.complaints, log)
    return log, facts
