"""The fixture `faultloop`: what a test says about its own run.

Under plain pytest, without any flag or mark, it works as well: claims are checked at the end, notes go nowhere, and the
clock is the machine's.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from faultloop.drivers.hosting import current_stage

if TYPE_CHECKING:
    from faultloop.model.places import Place
    from faultloop.world.nodes import Node

FIXTURE = pytest.StashKey["Faultloop | None"]()
"""The fixture of an item's current run."""


class InvariantBroken(AssertionError):
    """A claim of the test's about the end of its run does not hold."""


class Faultloop:
    """The run that a test is in."""

    def __init__(self) -> None:
        self._claims: list[tuple[str, Callable[[], object]]] = []

    def invariant(self, name: str, holds: Callable[[], object]) -> None:
        """Claim something that must hold when the test is over, however it ended: also when a fault ended it.

        name: what is said of it when it does not hold, `pool.in_use == 0`.   holds: sync; is asked once the test has
        returned or raised, before its fixtures are taken down.
        """
        if inspect.iscoroutinefunction(holds):
            raise TypeError(f'the invariant "{name}" is async: it is asked when nothing runs any more')
        self._claims.append((name, holds))

    def note(self, text: str) -> None:
        """Put a line into the trace, beside the step that is running."""
        stage = current_stage()
        if stage is not None:
            stage.note(text)

    def now(self) -> float:
        """Virtual seconds since the run began."""
        stage = current_stage()
        return time.monotonic() if stage is None else stage.now()

    @property
    def is_active(self) -> bool:
        """Whether this test is being run under faultloop."""
        return current_stage() is not None

    def node(self, name: str, **how: Any) -> Node:
        """The machine of this name; call it in the test (see faultloop.world.nodes)."""
        from faultloop.world.nodes import node

        return node(name, **how)

    def at(self, **where: Any) -> Place:
        """An await point, for a fault at it: see `faultloop.at`."""
        from faultloop.model.places import at

        return at(**where)

    def check(self, error: BaseException | None = None) -> None:
        """Ask every claim. error: what the test ended with.

        Raises InvariantBroken: not caused by that error, for a fault that was let through excuses no broken claim.
        """
        broken = [name for name, holds in self._claims if not holds()]
        if broken:
            ended = f" (it ended with {type(error).__name__})" if error is not None else ""
            raise InvariantBroken(f"when the test was over{ended}, this did not hold: {'; '.join(broken)}") from None


def fixture_for(item: Any) -> Faultloop:
    """The fixture of a run that begins."""
    made = Faultloop()
    item.stash[FIXTURE] = made
    return made
