"""The short form of `python -m tests.aqueue.beside_postgres`: faults at the awaits of a queue beside a real server."""

from __future__ import annotations

import pytest

from tests.aqueue.beside_postgres import sweep_beside


@pytest.mark.parametrize(("driver", "tasks"), [("asyncio", "*.job*"), ("trio", "worker-?")])
def test_no_cancel_at_an_await_beside_a_real_server_loses_a_job_or_writes_twice(
    aqueue_database: str, driver: str, tasks: str
):
    found = sweep_beside(aqueue_database, driver=driver, tasks=tasks, runs=12)
    assert [(failure.fault, failure.message) for failure in found.failures] == []
    assert found.status == "passed", found.reason
    assert found.tried == 10
    assert "real" in found.best_effort


def test_writes_that_are_not_part_of_a_success_are_found_there(aqueue_database: str):
    """Without this, quiet sweeps would prove nothing."""
    found = sweep_beside(aqueue_database, driver="asyncio", tasks="*.job*", runs=12, is_careless=True)
    assert found.status == "violated"
