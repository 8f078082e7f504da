"""What a run is made under, on whatever driver."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from faultloop.drivers.network import Network
from faultloop.drivers.ready import Choose
from faultloop.drivers.timekeeper import Timekeeper
from faultloop.errors import TargetError
from faultloop.model.limits import Limits
from faultloop.model.trace import Order, Threads

Scenario = Callable[[], Awaitable[object]]
"""An async function, or a `Hosted` performance."""

Around = Callable[[Timekeeper], AbstractContextManager[None]]


def _nothing(_: Timekeeper) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(slots=True)
class Settings:
    """What a run is made under. order, choose, hold, threads, network: as for Loop.

    around: makes what the whole run happens within, such as chance and clocks of its own.
    """

    order: Order = "fifo"
    choose: Choose | None = None
    hold: int | None = 2
    threads: Threads = "inline"
    limits: Limits = field(default_factory=Limits)
    network: Callable[[Any], Network] | None = None
    around: Around = _nothing


def call_scenario(scenario: Scenario) -> Coroutine[Any, Any, Any]:
    """The scenario's coroutine. Raises TargetError if it makes none."""
    coroutine = scenario()
    if not inspect.iscoroutine(coroutine):
        raise TargetError(
            f"the scenario {scenario!r} returned {type(coroutine).__name__}; it must be an async function"
        )
    return coroutine
