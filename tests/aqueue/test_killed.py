"""kill -9 of worker processes at random moments: every job ends, every effect happens exactly once.

The short form of kill_test.py; docs/benchmarks.md has the figures of the long one.
"""

from pathlib import Path

import pytest

from tests.aqueue.kill_test import kill_test

ROUNDS = 4
JOBS = 160


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_workers_that_are_killed_lose_no_job_and_double_no_effect(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
):
    url = f"sqlite:///{tmp_path}/jobs.db" if store == "sqlite" else request.getfixturevalue("schema_url")
    found = kill_test(url, rounds=ROUNDS, jobs=JOBS, seed=1, round_seconds=0.1)
    assert found.violations == ()
    assert found.states == {"succeeded": JOBS}
    assert (found.effects, found.twice, found.missing) == (JOBS, 0, 0)
    assert found.kills >= ROUNDS
    assert found.rescued > 0, "no kill met a running job, so nothing was proved"
