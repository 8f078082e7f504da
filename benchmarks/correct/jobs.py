"""This project's own queue, without faults of its own making."""

from __future__ import annotations

from random import Random

from aqueue import Context, LoopClock, MemoryStore, Queue, Retry, StillBusy, WorkerStopped


async def a_queue_in_memory_runs_its_jobs() -> None:
    """Each job succeeds, its effect happens once, and the queue's own invariants hold."""
    done: dict[str, int] = {}  # kept by the receiver under the key of the effect: asked again, it does nothing
    queue = Queue(MemoryStore(), clock=LoopClock(), random=Random(1))

    @queue.task(retry=Retry(5, base=0.1), timeout=5)
    async def work(ctx: Context, number: int) -> int:
        async with ctx.once(f"effect:{number}") as effect:
            if effect.fresh or effect.ambiguous:
                effect.result = done.setdefault(effect.key, number)
        return number

    async with queue:
        jobs = await queue.enqueue_many(work.job(number) for number in range(3))
        for _ in range(5):
            try:
                await queue.run_until_idle(concurrency=2, limit=600)
                break
            except (WorkerStopped, StillBusy):
                continue
        assert not await queue.check()
    assert len(jobs) == 3
    assert sorted(done.values()) == [0, 1, 2]
