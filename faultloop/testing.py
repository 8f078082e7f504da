"""Async test cases of unittest's in virtual time, without pytest.

Under pytest no base class is needed: `pytest --faultloop=explore` takes those of unittest as they are. One that is
derived from this is run in virtual time by whoever runs it, `python -m unittest` too.
"""

from __future__ import annotations

import unittest
from typing import TYPE_CHECKING, Any

from faultloop.drivers.asyncio.hosting import new_runner
from faultloop.drivers.hosting import current_stage
from faultloop.search.run import new_event_loop

if TYPE_CHECKING:
    from faultloop.model.limits import Limits
    from faultloop.model.trace import Order


class IsolatedAsyncioTestCase(unittest.IsolatedAsyncioTestCase):
    """As unittest's own, on a loop of faultloop's for each test: a test that would hang fails, and says where.

    faultloop_seed: draws the order of tasks that are ready; None is plain asyncio's.   faultloop_order: how far it may.
    faultloop_limits: what one test may spend.
    """

    faultloop_seed: int | None = None
    faultloop_order: Order = "batch"
    faultloop_limits: Limits | None = None

    def _setupAsyncioRunner(self) -> None:
        me: Any = self
        stage = current_stage()
        if stage is not None:  # pytest performs this test in a run of its own
            me._asyncioRunner = stage.new_runner()
            return
        me._asyncioRunner = new_runner(
            lambda: new_event_loop(seed=self.faultloop_seed, order=self.faultloop_order, limits=self.faultloop_limits)
        )
