"""Four processes on one PostgreSQL store keep one rate and one concurrency. The short form of processes.py."""

from __future__ import annotations

from functools import partial

import anyio

from tests.aqueue.processes import BURST, RUNNING_MAX, above_rate, run, running_max


def test_four_processes_share_a_rate_and_a_concurrency(schema_url: str):
    found = anyio.run(partial(run, schema_url, processes=4, jobs=120, rate=60))
    assert found.states == {"succeeded": 120}
    assert found.violations == ()
    assert found.workers >= 3, "one process did it all, so nothing was proved"
    assert found.above_rate <= 0
    assert 1 < found.running_max <= RUNNING_MAX


def test_what_looks_at_the_log_can_see_too_much():
    assert above_rate([0] * BURST, 60) == 0
    assert above_rate([0] * BURST + [10], 60) > 0
    assert running_max([("claimed", 0), ("claimed", 1), ("succeeded", 2), ("claimed", 3)]) == 2
