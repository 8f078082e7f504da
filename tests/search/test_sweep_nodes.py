"""A scenario with nodes says that its tasks run on machines, and machines crash: that is tried without being asked."""

import asyncio

from faultloop import explore, world


async def forgets_what_it_had() -> None:
    """A worker that keeps its one job in its own memory only, until it is done."""
    waiting, done = ["job"], list[str]()

    async def work() -> None:
        if waiting:
            job = waiting.pop()
            try:
                await asyncio.sleep(1)
                done.append(job)
            except asyncio.CancelledError:
                waiting.append(job)  # a cancelled worker gives it back; one that crashes cannot
                raise

    worker = world.node("worker")
    worker.start(work)
    try:
        await worker.finished()
    except asyncio.CancelledError:
        if not waiting:
            raise
    assert done or waiting, "the job is gone"


async def has_no_nodes() -> None:
    await asyncio.sleep(1)


def test_a_crash_of_a_node_is_tried_by_default():
    found = explore(forgets_what_it_had, strategy="sweep")
    (failure,) = found.failures
    assert failure.fault == "crash:1s forgets_what_it_had/worker @ work>sleep #1 parked"
    assert found.exhausted == ("every single fault (cancel, crash, expire) at every await of the calm run",)


def test_it_is_not_when_faults_are_named():
    assert explore(forgets_what_it_had, strategy="sweep", faults=["cancel"]).status == "passed"


def test_without_nodes_nobody_hears_of_crashes():
    found = explore(has_no_nodes, strategy="sweep")
    assert [str(reason) for reason in found.not_tried if "crash" in str(reason)] == []
    assert "crash" not in found.exhausted[0]
