"""With an injected Random, a clock of the loop's time and a deterministic loop, a run repeats itself to the event."""

from random import Random
from typing import Any

import anyio
import pytest

from aqueue import Context, LoopClock, MemoryStore, Queue, Retry
from tests.aqueue.support import JumpingLoop


def run(seed: int) -> list[object]:
    told: list[object] = []

    async def main() -> None:
        q = Queue(MemoryStore(), clock=LoopClock(), random=Random(seed))

        @q.task(retry=Retry(4, base=2))
        async def work(ctx: Context, number: int) -> int:
            await anyio.sleep(number / 10)
            if number % 3 == ctx.attempt:
                raise OSError
            return number

        async with q:
            jobs = await q.enqueue_many(work.job(number) for number in range(20))
            await q.run_until_idle(concurrency=3)
            for job in jobs:
                told.append((await job.info()).history)

    anyio.run(main, backend_options={"loop_factory": JumpingLoop})
    return told


def test_the_same_seed_gives_the_same_history_and_another_one_another():
    assert run(1) == run(1)
    assert run(1) != run(2)


@pytest.mark.parametrize("module", ["time", "random"])
def test_time_and_chance_have_one_way_in(module: str):
    """Only clock.py reads a clock, and nobody uses the module-level functions of random."""
    import ast
    from pathlib import Path

    import aqueue

    assert aqueue.__file__ is not None
    found: dict[str, Any] = {}
    for path in sorted(Path(aqueue.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import) and any(name.name == module for name in node.names):
                found[path.name] = node
            if isinstance(node, ast.ImportFrom) and node.module == module and module == "random":
                assert [name.name for name in node.names] == ["Random"], path
    assert list(found) == (["clock.py"] if module == "time" else [])
