"""One peer and one scenario: search until it fails. Run by `bugs.py` in the environment of a case.

    python -m benchmarks.peers.hunt TOOL scenario.py RUNS SECONDS ONCE

Prints JSON, one object a line; the last one is the result: how many runs, and what failed in which. TOOL is one of

    simloop, simloom              their own search over orders; neither makes any fault
    simloop+cancel, simloom+cancel    the same, with a canceller beside the scenario as a user would write one
    cancellens                    its sweep of single and double cancellations over the victim's coroutine

A run that lasts longer than ONCE seconds hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from random import Random
from typing import Any

Scenario = Callable[[], Coroutine[Any, Any, None]]
Attempt = Callable[[Scenario, int], BaseException | None]
TURNS_MAX = 12
DELAY_MIN, DELAY_MAX = 1e-4, 1.0


class Hang(Exception):
    """A run has not ended within its time."""


def load(path: str) -> Scenario:
    """The scenario of a case."""
    spec = importlib.util.spec_from_file_location("scenario", path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules["scenario"] = module
    spec.loader.exec_module(module)
    scenario: Scenario = module.scenario
    return scenario


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise Hang in whatever runs for longer."""

    def ring(*_: object) -> None:
        raise Hang(f"no end within {seconds:g} s")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def with_canceller(scenario: Scenario, seed: int) -> Scenario:
    """The scenario, and beside it a task that cancels the victim once, at a moment drawn from the seed.

    Half of the moments lie within the first few turns after the victim began, half after some time.
    """
    random = Random(seed)
    delay = 0.0 if random.random() < 0.5 else DELAY_MIN * (DELAY_MAX / DELAY_MIN) ** random.random()
    turns = random.randrange(TURNS_MAX)

    def victim() -> asyncio.Task[Any] | None:
        named = (task for task in asyncio.all_tasks() if task.get_name().rpartition(".")[2] == "victim")
        return next(named, None)

    async def canceller() -> None:
        for _ in range(10_000):
            if (found := victim()) is not None:
                break
            await asyncio.sleep(0 if random.random() < 0.9 else 1e-4)
        else:
            return
        if delay:
            await asyncio.sleep(delay)
        for _ in range(turns):
            await asyncio.sleep(0)
        cancel(found)

    async def both() -> None:
        beside = asyncio.ensure_future(canceller())
        try:
            await scenario()
        finally:
            beside.cancel()

    return both


def cancel(task: asyncio.Task[Any]) -> None:
    """As it is cancelled in practice: what anyio runs, by the scope of its group."""
    backend = sys.modules.get("anyio._backends._asyncio")
    state = backend._task_states.get(task) if backend is not None else None
    if state is not None and state.cancel_scope is not None and task.get_name().endswith(".victim"):
        state.cancel_scope.cancel()
    else:
        task.cancel()


def simloop(scenario: Scenario, seed: int) -> BaseException | None:
    """One run of simloop's explorer."""
    from simloop import explore

    report = explore(scenario, [seed])
    return None if report is None else report.exception


def simloom(scenario: Scenario, seed: int) -> BaseException | None:
    """One run of simloom's, with what it can make repeatable made so.

    What reaches the loop's exception handler is not held against a scenario: asyncio itself says something there when
    a server's connection ends with its run.
    """
    import simloom as tool

    settings = {"seed_randomness": True, "virtual_time": True, "on_unhandled": "record"}
    result = tool.run(scenario, seed=seed, raise_on_error=False, **settings)
    error: BaseException | None = result.error
    return error


class Body:
    """A fresh scenario for cancellens, which runs one coroutine in a task of its own and cancels that.

    So the scenario is given that very task for the one that it names its victim.
    """

    create_task = staticmethod(asyncio.create_task)

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self.task: asyncio.Task[None] | None = None

    async def victim(self) -> Any:
        """The operation: begin the scenario, and be its victim."""
        me = asyncio.current_task()
        assert me is not None
        asked: asyncio.Future[Coroutine[Any, Any, Any]] = asyncio.get_running_loop().create_future()

        def stand_in(coroutine: Coroutine[Any, Any, Any], *, name: str | None = None, **more: Any) -> Any:
            if name != "victim":
                return self.create_task(coroutine, name=name, **more)
            self.restore()
            me.set_name("victim")
            if asked.cancelled():
                coroutine.close()  # a task that is cancelled before its first step does not run
            else:
                asked.set_result(coroutine)
            return me

        self._put(stand_in)
        self.task = self.create_task(self._scenario())
        return await (await asked)

    def restore(self) -> None:
        """Leave asyncio as it was."""
        self._put(self.create_task)

    def _put(self, function: Any) -> None:
        module: Any = asyncio
        module.create_task = function


def cancellens(scenario: Scenario, seconds: float, once: float, runs: int) -> dict[str, Any]:
    """The whole sweep of cancellens. The victim's coroutine is the operation, the scenario's end is the oracle."""
    import cancellens as tool

    async def factory() -> Body:
        return Body(scenario)

    async def oracle(body: Body, _: object) -> None:
        assert body.task is not None
        await asyncio.wait({body.task}, timeout=once)
        tool.require(body.task.done(), "the scenario does not end")
        error = None if body.task.cancelled() else body.task.exception()
        tool.require(error is None, f"{type(error).__name__}: {error}")

    async def teardown(body: Body) -> None:
        body.restore()
        if body.task is not None:
            body.task.cancel()

    limits = tool.Limits(
        max_points=1_000, max_attempts=runs, phase_timeout=2 * once, total_timeout=seconds, cleanup_timeout=0.1
    )
    report = asyncio.run(tool.sweep(tool.Case(factory, Body.victim, oracle, teardown), limits=limits))
    made = len(report.attempts)
    for number, attempt in enumerate(report.attempts, 1):
        if attempt.oracle.outcome is tool.Outcome.FAIL:
            doubt = "" if attempt.outcome is tool.Outcome.FAIL else f" ({attempt.outcome.value}: {attempt.reasons[:1]})"
            return {"runs": made, "found": number, "message": f"{attempt.oracle.detail}{doubt}"}
    reasons = [*report.coverage.reasons, *(reason for each in report.attempts for reason in each.reasons)]
    return {"runs": made, "complete": report.coverage.complete, "message": "; ".join(dict.fromkeys(reasons))[:300]}


def search(
    attempt: Attempt, scenario: Scenario, runs: int, seconds: float, once: float, cancels: bool
) -> dict[str, Any]:
    """Run after run with another seed, up to the first that fails. The first run is without a canceller."""
    ends = time.monotonic() + seconds
    for number in range(runs):
        if time.monotonic() > ends:
            return {"runs": number, "message": "no time left"}
        program = with_canceller(scenario, number) if cancels and number else scenario
        try:
            with at_most(once):
                error = attempt(program, number)
        except Hang as hang:
            return {"runs": number + 1, "hung": number + 1, "message": str(hang)}
        if error is not None:
            return {"runs": number + 1, "found": number + 1, "message": f"{type(error).__name__}: {error}"}
    return {"runs": runs, "message": ""}


def main() -> None:
    """Hunt, and print what came of it."""
    tool, path, runs, seconds, once = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5])
    sys.path.insert(0, str(Path(path).resolve().parent))
    scenario = load(path)
    if tool == "cancellens":
        found = cancellens(scenario, seconds, once, runs)
    else:
        name, _, cancels = tool.partition("+")
        found = search(
            {"simloop": simloop, "simloom": simloom}[name], scenario, runs, seconds, once, cancels=bool(cancels)
        )
    print("\n" + json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
