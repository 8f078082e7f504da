"""Chance is seeded and time is the loop's, while a run lasts, and nowhere else."""

import asyncio
import contextlib
import datetime
import os
import random
import secrets
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

import faultloop
from faultloop import Entropy, Status
from faultloop.errors import UsageError
from tests.drivers.support import value
from tests.support.length import times
from tests.world import programs_chance

ROOT = Path(__file__).resolve().parents[2]
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def once(ask: Any) -> Any:
    """What a function says within a run."""

    async def scenario() -> Any:
        return ask()

    return value(scenario)


ASKED = {
    "random": lambda: random.random(),
    "shuffle": lambda: random.sample(range(1000), 5),
    "gauss": lambda: random.gauss(0, 1),
    "Random()": lambda: random.Random().random(),
    "subclass of Random": lambda: type("R", (random.Random,), {})().random(),
    "SystemRandom": lambda: random.SystemRandom().random(),
    "urandom": lambda: os.urandom(9),
    "secrets": lambda: secrets.token_hex(9),
    "choice of secrets": lambda: secrets.choice(range(10**9)),
    "uuid1": lambda: uuid.uuid1(),
    "uuid4": lambda: uuid.uuid4(),
}


@pytest.mark.parametrize("name", ASKED)
def test_chance_is_the_same_in_every_run_and_another_under_another_seed(name: str):
    async def scenario() -> Any:
        return [ASKED[name](), ASKED[name]()]

    seen = [repr(value(scenario)) for _ in range(3)]
    assert len(set(seen)) == 1
    assert len({repr(value(scenario, seed=seed)) for seed in range(5)}) == 5
    first, second = value(scenario)
    assert first != second


def test_chance_outside_is_not_touched_by_runs():
    random.seed(99)
    wanted = [random.random() for _ in range(4)]
    random.seed(99)
    got = []
    for _ in range(4):
        got.append(random.random())
        once(lambda: random.random())
        once(lambda: random.seed(5))
    assert got == wanted
    assert uuid.uuid4() != uuid.uuid4()


def test_what_was_replaced_is_back_after_the_run_also_where_it_was_imported_by_name():
    names = ("random", "urandom", "monotonic", "time", "sleep", "shuffle")
    before = [getattr(programs_chance, name) for name in names]
    here = [time.time, os.urandom, random.getrandbits, uuid.uuid1, vars(datetime.datetime)["now"]]
    value(programs_chance.everything)
    assert all(getattr(programs_chance, name) is old for name, old in zip(names, before, strict=True))
    now = [time.time, os.urandom, random.getrandbits, uuid.uuid1, vars(datetime.datetime)["now"]]
    assert all(a is b for a, b in zip(here, now, strict=True))


def test_code_imported_before_is_served_as_well():
    first, second = value(programs_chance.everything), value(programs_chance.everything)
    assert first == second
    assert len(first) == 24


def test_copies_in_classes_defaults_and_closures_are_served_as_well():
    assert value(programs_chance.copies) == [4.0] * 6
    assert programs_chance.wait_until.__defaults__ == (time.monotonic,)


def test_code_imported_in_the_middle_of_a_run_is_served_and_has_the_machines_clock_afterwards(tmp_path: Path):
    (tmp_path / "imported_late.py").write_text("from time import monotonic\nfrom random import random\n")
    sys.path.insert(0, str(tmp_path))
    try:

        async def scenario() -> tuple[float, float]:
            import imported_late  # type: ignore[import-not-found]

            await asyncio.sleep(7)
            return imported_late.monotonic(), imported_late.random()

        first = value(scenario)
        assert first == value(scenario)
        assert first[0] == 7.0
        assert sys.modules["imported_late"].monotonic is time.monotonic
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("imported_late", None)


# Time


def test_clocks_move_with_the_loop():
    async def scenario() -> list[float]:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(2.5)
        return [time.monotonic(), time.perf_counter(), loop.time(), time.time() - START.timestamp()]

    assert value(scenario) == [2.5, 2.5, 2.5, 2.5]
    assert once(lambda: time.monotonic_ns()) == once(lambda: time.perf_counter_ns()) == 0
    assert once(lambda: time.time_ns()) == int(START.timestamp()) * 10**9


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: datetime.datetime.now(datetime.UTC), START),
        (lambda: datetime.datetime.now().astimezone(datetime.UTC), START),
        (lambda: datetime.date.today().year in (2025, 2026), True),
        (lambda: datetime.datetime.today().astimezone(datetime.UTC), START),
        (lambda: time.gmtime()[:6], (2026, 1, 1, 0, 0, 0)),
        (lambda: time.strftime("%Y", time.gmtime()), "2026"),
        (lambda: time.mktime(time.localtime()), START.timestamp()),
        (lambda: time.asctime() == time.ctime() == time.ctime(START.timestamp()), True),
        (lambda: time.clock_gettime(time.CLOCK_REALTIME), START.timestamp()),
        (lambda: time.clock_gettime_ns(time.CLOCK_MONOTONIC), 0),
    ],
)
def test_wall_clocks_begin_with_the_year_2026(ask: Any, said: Any):
    assert once(ask) == said


def test_a_subclass_of_datetime_gets_instants_of_its_own():
    class Moment(datetime.datetime):
        pass

    now = once(lambda: Moment.now())
    assert type(now) is Moment
    assert now == START.astimezone().replace(tzinfo=None)


def test_utcnow_warns_as_it_does_outside():
    expected = (
        pytest.warns(DeprecationWarning, match="utcnow") if sys.version_info >= (3, 12) else contextlib.nullcontext()
    )
    with expected:
        assert once(lambda: datetime.datetime.utcnow()) == START.replace(tzinfo=None)


def test_a_clock_in_a_class_is_not_taken_for_a_method():
    class Timed:
        clock = time.monotonic

    async def scenario() -> float:
        class TimedWithin:
            clock = time.monotonic

        await asyncio.sleep(1)
        return TimedWithin().clock()  # type: ignore[misc]

    assert value(scenario) == 1.0
    assert Timed().clock() > 0  # type: ignore[misc]


def test_a_clock_read_in_another_thread_is_the_machines():
    async def scenario() -> list[float]:
        read: list[float] = []
        thread = threading.Thread(target=lambda: read.extend([time.time(), datetime.datetime.now().timestamp()]))
        thread.start()
        thread.join()
        return read

    before = time.time()
    for instant in value(scenario):
        assert before <= instant <= time.time()


def test_a_call_that_blocks_takes_virtual_time_and_no_other():
    began = time.monotonic()
    assert value(programs_chance.blocking) == 3.0

    async def late_timers() -> list[tuple[str, float]]:
        said: list[tuple[str, float]] = []
        loop = asyncio.get_running_loop()

        def say(name: str) -> None:
            said.append((name, loop.time()))

        for name, delay in (("first", 0.5), ("second", 0.2), ("third", 9)):
            loop.call_later(delay, say, name)
        time.sleep(1)  # noqa: ASYNC251  # a program that blocks is what this is about
        said.append(("slept", loop.time()))
        await asyncio.sleep(10)
        return said

    assert value(late_timers) == [("slept", 1.0), ("second", 1.0), ("first", 1.0), ("third", 9.0)]
    assert time.monotonic() - began < 5


def test_a_thread_job_that_sleeps_answers_late_and_holds_nobody_up():
    async def scenario() -> list[object]:
        loop = asyncio.get_running_loop()

        def job() -> float:
            time.sleep(5)
            return time.monotonic()

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.to_thread(job)
        gave_up = loop.time()
        return [gave_up, await asyncio.to_thread(job), loop.time()]

    assert value(scenario) == [1.0, 6.0, 6.0]


def test_a_program_that_watches_a_clock_sees_it_move():
    async def in_one_step() -> bool:
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            pass
        return True

    async def in_many_steps() -> bool:
        end = time.time() + 0.05
        while time.time() < end:  # noqa: ASYNC110  # on purpose
            await asyncio.sleep(0)
        return True

    assert value(in_one_step)
    assert value(in_many_steps)


TRAVEL = """
class travel:
    def start(self):
        return "travelling"
"""


def test_time_machine_is_refused_within_a_run_and_works_around_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "time_machine.py").write_text(TRAVEL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "time_machine", raising=False)

    async def scenario() -> str:
        import time_machine  # type: ignore[import-not-found]

        said: str = time_machine.travel().start()
        return said

    run = faultloop.run(scenario)
    assert "FL307" in str(run.exception)
    assert value(scenario, entropy="real") == "travelling"
    assert sys.modules.pop("time_machine").travel().start() == "travelling"


def test_a_spin_that_sleeps_for_no_time_is_a_livelock_all_the_same():
    async def scenario() -> None:
        while True:
            time.sleep(0)  # noqa: ASYNC251
            await asyncio.sleep(0)

    assert faultloop.run(scenario).status is Status.LIVELOCKED


# Opting out


def test_a_spared_module_gets_the_machines_chance():
    spared = Entropy(spared=("tests.world.programs_chance",))
    assert value(programs_chance.everything, entropy=spared) != value(programs_chance.everything, entropy=spared)
    below = Entropy(spared=("tests.world",))
    assert value(programs_chance.everything, entropy=below) != value(programs_chance.everything, entropy=below)
    other = Entropy(spared=("tests.wor", "programs_chance"))
    assert value(programs_chance.everything, entropy=other) == value(programs_chance.everything, entropy=other)


def test_real_entropy_replaces_nothing():
    async def scenario() -> bool:
        return time.time is real

    real = time.time
    assert value(scenario, entropy="real")
    assert not value(scenario)
    with pytest.raises(UsageError, match="FL530"):
        faultloop.run(scenario, entropy="reel")  # type: ignore[arg-type]


def test_what_the_standard_library_waits_with_keeps_the_machines_clock():
    async def scenario() -> bool:
        taken = threading.Lock()
        taken.acquire()
        began = time.monotonic()
        assert not taken.acquire(timeout=0.001)
        assert not threading.Event().wait(timeout=0.001)
        return time.monotonic() == began

    assert value(scenario)


# Replays and searches


async def jittered() -> None:
    """Fails for one delay in four."""
    await asyncio.sleep(random.random())
    token = uuid.uuid4().int
    await asyncio.sleep(token % 4 + 1)
    assert token % 4, "drew a bad token"


def test_a_failure_that_chance_decided_is_replayed():
    failed = next(run for seed in range(100) if (run := faultloop.run(jittered, seed=seed)).status.is_failure)
    assert failed.trace.world.entropy.seed == failed.trace.seed
    again = faultloop.replay(failed.trace)
    assert again.same_digest
    assert again.run.status is Status.VIOLATED


def test_all_runs_of_an_exploration_draw_from_its_seed():
    seeds = {seed: faultloop.explore(jittered, seed=seed, runs=30).status for seed in range(12)}
    alone = {seed: faultloop.run(jittered, entropy=Entropy(seed=seed)).status for seed in seeds}
    assert {seed for seed, status in seeds.items() if status == "violated"} >= {
        seed for seed, status in alone.items() if status.is_failure
    }
    found = next(
        faultloop.explore(jittered, seed=seed, runs=30) for seed, status in seeds.items() if status == "violated"
    )
    assert faultloop.replay(found.failures[0].trace).same_digest


def test_a_run_within_a_run_and_one_in_another_thread_have_sources_of_their_own():
    async def inner() -> float:
        await asyncio.sleep(3)
        return random.random() + time.monotonic()

    async def outer() -> list[float]:
        first = random.random()
        within = faultloop.run(inner).value
        beside: list[float] = []
        thread = threading.Thread(target=lambda: beside.append(faultloop.run(inner).value))
        thread.start()
        thread.join()
        return [first, within, *beside, random.random(), time.monotonic()]

    async def alone() -> list[float]:
        return [random.random(), random.random()]

    first, within, beside, second, now = value(outer)
    assert within == beside == value(inner)
    assert [first, second] == value(alone)
    assert now == 0.0


SCENARIOS = ("jitter", "names", "sets", "clocks", "threads")
PROGRAM = """
import sys, faultloop
from tests.world import programs_determinism as programs
for name in sys.argv[1].split(","):
    for seed in range(int(sys.argv[2])):
        run = faultloop.run(getattr(programs, name), seed=seed, order="batch")
        print(name, seed, run.status, run.trace.digest, run.value)
"""


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_two_processes_with_different_hash_seeds_make_the_same_runs(scenario: str):
    seeds = times(200)
    said = []
    for hash_seed in ("1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-W", "error", "-c", PROGRAM, scenario, str(seeds)]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
        said.append(done.stdout.splitlines())
    assert said[0] == said[1]
    assert len(said[0]) == seeds
    digests = {line.split()[3] for line in said[0]}
    assert len(digests) > seeds // 2, "these runs hardly differ, so that they are alike says little"
