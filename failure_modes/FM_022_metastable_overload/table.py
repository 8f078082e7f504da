"""The retry storm in numbers: policies, with and without a budget, over one to three layers that retry.

    python -m failure_modes.FM_022_metastable_overload.table

A model in steps of one second of virtual time: 2000 jobs at once and 60 more each second call a service that bears 100
calls a second, that is down for the first thirty, and that does half of its work while it is asked for more than that.
A job has ten tries. Fifteen minutes are looked at. Seeded, so that it says the same each time.

What is counted as overload: a second after the outage in which more jobs are due than the service bears.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

TRIES = 10
TRIES_PER_LAYER = 3
BACKOFF_MAX_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Size:
    """What meets what. burst: jobs at the beginning.   fresh, capacity: a second.   outage, until: seconds."""

    burst: int = 2000
    fresh: int = 60
    capacity: int = 100
    outage: int = 30
    until: int = 900


@dataclass(slots=True)
class Job:
    """A job between two tries. pause: the last one, in seconds, for policies that go by it."""

    tries: int = 0
    pause: float = 1.0


Policy = Callable[[Job, Random], float]
"""How many seconds to wait before the next try of a job that has failed `tries` times."""


def _doubled(job: Job) -> float:
    return min(float(BACKOFF_MAX_SECONDS), 2.0**job.tries)


def _decorrelated(job: Job, chance: Random) -> float:
    job.pause = min(float(BACKOFF_MAX_SECONDS), chance.uniform(1, 3 * job.pause))
    return job.pause


POLICIES: dict[str, Policy] = {
    "fixed 5 s": lambda _job, _chance: 5.0,
    "exponential, no jitter": lambda job, _chance: _doubled(job),
    "equal jitter": lambda job, chance: _doubled(job) * chance.uniform(0.5, 1),
    "full jitter": lambda job, chance: chance.uniform(0, _doubled(job)),
    "decorrelated jitter": _decorrelated,
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table, what was tried and what came of it.

    budget: retries per fresh job, None for no bound.   layers: that retry, the queue is one of them.
    """

    policy: str
    budget: float | None
    layers: int
    peak: int = 0
    calls: int = 0
    done: int = 0
    dead: int = 0
    came: int = 0
    overloaded_until: int | None = None

    @property
    def recovers(self) -> bool:
        """Whether no second after the outage was overloaded."""
        return self.overloaded_until is None

    def text(self, size: Size) -> str:
        """As it is printed."""
        name = self.policy + (f" + budget of {self.budget:.0%}" if self.budget is not None else "")
        until = "never recovers" if self.overloaded_until == size.until - 1 else f"until {self.overloaded_until} s"
        name += f", {self.layers} layers" if self.layers > 1 else ""
        return " | ".join(
            [
                f"| {name:<40}",
                f"{self.peak:>12}",
                f"{self.calls / max(1, self.done):>14.2f}",
                f"{self.dead:>6}",
                f"{self.done / self.came:>7.1%}",
                f"{'recovers with the outage' if self.recovers else until:<24} |",
            ]
        )


def simulated(row: Row, size: Size, seed: int = 1) -> Row:
    """Live through it, second by second."""
    chance, budget = Random(seed), _Budget(row.budget, size)
    due: defaultdict[int, list[Job]] = defaultdict(list, {0: [Job() for _ in range(size.burst)]})
    peak = calls = done = dead = 0
    overloaded_until = None
    for second in range(size.until):
        is_down = second < size.outage
        now, later = budget.admitted([*due.pop(second, []), *(Job() for _ in range(size.fresh))])
        due[second + 1] += later
        is_crowded = len(now) > size.capacity
        load = len(now) * (TRIES_PER_LAYER ** (row.layers - 1) if is_down or is_crowded else 1)
        calls, peak = calls + load, max(peak, load)
        served = 0 if is_down else size.capacity if load <= size.capacity else size.capacity // 2
        chance.shuffle(now)
        done += min(served, len(now))
        for job in now[served:]:
            job.tries += 1
            if job.tries == TRIES:
                dead += 1
            else:
                due[second + max(1, int(POLICIES[row.policy](job, chance)))].append(job)
        if is_crowded and not is_down:
            overloaded_until = second
    came = size.burst + size.until * size.fresh
    return replace(row, peak=peak, calls=calls, done=done, dead=dead, came=came, overloaded_until=overloaded_until)


class _Budget:
    """How many retries may be made in a second. What is above waits a second, and counts no failure."""

    def __init__(self, share: float | None, size: Size) -> None:
        self._gain = None if share is None else share * size.fresh
        self._saved = 0.0

    def admitted(self, due: Sequence[Job]) -> tuple[list[Job], list[Job]]:
        """Those that are tried now, and those that wait."""
        if self._gain is None:
            return list(due), []
        first = [job for job in due if job.tries == 0]
        again = [job for job in due if job.tries > 0]
        self._saved = min(self._saved + self._gain, 10 * self._gain)
        room = min(len(again), int(self._saved))
        self._saved -= room
        return first + again[:room], again[room:]


def rows() -> Iterator[Row]:
    """What is compared."""
    yield from (Row(policy, None, 1) for policy in POLICIES)
    yield from (Row(policy, 0.2, 1) for policy in POLICIES)
    yield from (Row("full jitter", None, layers) for layers in (2, 3))
    yield Row("full jitter", 0.2, 3)


HEAD = (
    "| policy                                   | peak calls/s | calls per done |   dead |    done | overloaded"
    "               |\n|---|---:|---:|---:|---:|---|"
)


def table(size: Size | None = None) -> str:
    """The whole of it, as text."""
    chosen = size or Size()
    return "\n".join([HEAD, *(simulated(row, chosen).text(chosen) for row in rows())])


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n")
