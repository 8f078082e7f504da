"""The peers as contenders: what runs a program once, from scratch, on each one's own loop.

Imported in their environment (place.py), where nothing but they, faultloop and its codec is.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

Program = Callable[[], Awaitable[object]]


def on_simloop(program: Program) -> Any:
    """One run on a loop of simloop's, which records as it always does."""
    from simloop import SimLoop

    loop = SimLoop(1)
    try:
        return loop.run_until_complete(program())
    finally:
        loop.close()


def on_simloom(program: Program) -> Any:
    """One run in a universe of simloom's, with its default scheduler."""
    import simloom

    return simloom.run(program, seed=1).value


RUNNERS: dict[str, Callable[[Program], Any]] = {"simloop": on_simloop, "simloom": on_simloom}
"""Those that have a loop; cancellens runs on asyncio's own."""


def explored_by_simloop(program: Program) -> Callable[[], object]:
    """Each call is one more run of its explorer."""
    from simloop import explore

    seeds = itertools.count()

    def once() -> None:
        assert explore(program, [next(seeds)]) is None

    return once


def explored_by_simloom(program: Program) -> Callable[[], object]:
    """Each call is one more run of its explorer."""
    import simloom

    seeds = itertools.count()

    def once() -> None:
        assert not simloom.explore(program, runs=1, start_seed=next(seeds)).failed

    return once


def swept_by_cancellens(program: Program) -> Callable[[], int]:
    """Each call is a sweep of single cancellations of the body, in real time. Returns how many runs it made."""
    from cancellens import Case, Limits, sweep

    async def nothing(*_: object) -> None:
        pass

    async def operation(_: None) -> None:
        await program()

    def once() -> int:
        report = asyncio.run(sweep(Case(nothing, operation, nothing, nothing), limits=Limits(max_depth=1)))
        return len(report.attempts)

    return once


EXPLORERS: dict[str, Callable[[Program], Callable[[], object]]] = {
    "simloop": explored_by_simloop,
    "simloom": explored_by_simloom,
}
