"""What every crew promises, on each kind of crew, and what is only true of some of them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from faultloop.errors import CrewError, TargetError
from faultloop.search.crew import Alone, Crew, Done, Duty, Lost, UnitFailed
from faultloop.search.elsewhere import Elsewhere
from faultloop.search.processes import Processes
from tests.search import duties
from tests.search.duties import ROOT, in_a_process_of_its_own, is_alive

Make = Callable[[Duty[Any, Any, Any]], Any]


@contextmanager
def on_threads(duty: Duty[Any, Any, Any]) -> Iterator[Elsewhere[Any, Any]]:
    with ThreadPoolExecutor(2) as executor, Elsewhere(duty, executor) as crew:
        yield crew


def two_processes(duty: Duty[Any, Any, Any]) -> Processes[Any, Any]:
    return Processes(duty, jobs=2)


CREWS: dict[str, Make] = {"alone": Alone, "processes": two_processes, "elsewhere": on_threads}


@pytest.fixture(params=list(CREWS))
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a crew of each kind."""
    return CREWS[request.param]


@pytest.fixture
def fifo(tmp_path: Path) -> str:
    """A named pipe: who opens it waits for the other side."""
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    return path


def results(crew: Crew[Any, Any], units: Any, **options: int) -> list[Any]:
    return [done.result for done in crew.carry_out(units, **options)]


# Every crew


def test_results_come_with_their_units_in_their_order(make: Make):
    with make(Duty(duties.squares, None)) as crew:
        assert list(crew.carry_out(range(3, 6))) == [Done(0, 3, 9), Done(1, 4, 16), Done(2, 5, 25)]
        assert results(crew, range(200)) == [unit * unit for unit in range(200)]
        assert results(crew, ()) == []
        assert crew.left_over == ()


@pytest.mark.parametrize("ahead", [1, 7])
def test_what_is_asked_for_next_depends_only_on_what_was_taken(make: Make, ahead: int):
    taken: list[int] = []
    known: list[int] = []  # how many results were taken when unit n was asked for

    def units() -> Iterator[int]:
        for unit in range(20):
            known.append(len(taken))
            yield unit

    with make(Duty(duties.squares, None)) as crew:
        for done in crew.carry_out(units(), ahead=ahead):
            taken.append(done.result)
    assert known == [max(0, unit - ahead + 1) for unit in range(20)]


def test_a_round_that_is_closed_asks_for_nothing_more_and_another_one_can_follow(make: Make):
    source = iter(range(1_000))
    with make(Duty(duties.squares, None)) as crew:
        with closing(crew.carry_out(source, ahead=4)) as round_:
            assert [next(round_).result for _ in range(3)] == [0, 1, 4]
        assert next(source) == 6
        assert {done.number for done in crew.left_over} <= {3, 4, 5}
        assert results(crew, range(5)) == [0, 1, 4, 9, 16]


def test_what_a_unit_raises_comes_back_in_its_turn_with_its_traceback(make: Make):
    with make(Duty(duties.fails, None)) as crew:
        round_ = crew.carry_out(range(5))
        assert [next(round_).result, next(round_).result] == [0, 1]
        with pytest.raises(UnitFailed, match=r"in do\n.*raise LookupError.*\n.*the unit is odd"):
            next(round_)


def test_each_process_prepares_once(make: Make):
    with make(Duty(duties.census, None)) as crew:
        counted = dict(results(crew, range(50)) + results(crew, range(50)))
    assert len(counted) <= 2
    first = next(iter(counted.values()))
    assert all(count == first for count in counted.values())


# Other processes


def test_processes_do_the_work_and_not_this_one():
    with Processes(Duty(duties.census, None), jobs=2) as crew:
        counted = dict(results(crew, range(50)))
        assert counted.keys() <= set(crew.pids)
        assert os.getpid() not in counted
        assert set(counted.values()) == {1}


def test_no_more_processes_are_started_than_there_are_units():
    with Processes(Duty(duties.squares, None), jobs=4) as crew:
        assert results(crew, [7]) == [49]
        assert len(crew.pids) == 1


def test_a_result_that_is_early_waits_for_its_turn(fifo: str):
    with Processes(Duty(duties.waits_for_the_next, fifo), jobs=2) as crew:
        assert results(crew, range(2)) == [5, 1]


@pytest.mark.parametrize("length", [10, 20_000, 1_000_000])
def test_units_and_results_of_any_length_pass(length: int):
    texts = [str(unit % 10) * length for unit in range(20)]
    with Processes(Duty(duties.long_texts, None), jobs=2) as crew:
        assert results(crew, texts) == texts


def test_a_unit_whose_worker_was_killed_is_done_again(tmp_path: Path):
    with Processes(Duty(duties.dies_once, str(tmp_path)), jobs=2) as crew:
        assert results(crew, range(20)) == list(range(20))
    assert (tmp_path / "3").exists()


@pytest.mark.parametrize(("jobs", "how", "told"), [(1, "kill", "killed by SIGKILL"), (2, "exit", "exit code 7")])
def test_a_unit_that_kills_each_worker_is_given_back_as_lost_and_no_other(jobs: int, how: str, told: str):
    with Processes(Duty(duties.dies_always, how), jobs) as crew:
        assert results(crew, range(20)) == [
            Lost(f"its process ended 2 times: {told}") if unit == 3 else unit for unit in range(20)
        ]


@pytest.mark.parametrize("is_noticed_late", [False, True], ids=["dying", "dead already"])
def test_workers_that_are_killed_from_outside_lose_no_result(is_noticed_late: bool):
    with Processes(Duty(duties.squares, None), jobs=2) as crew:
        got = []
        for done in crew.carry_out(range(100), ahead=8):
            got.append(done.result)
            if done.number % 10 == 0:
                for pid in crew.pids:
                    os.kill(pid, signal.SIGKILL)
                # Given to one that is dead, a unit has not killed it.
                for pid in crew.pids if is_noticed_late else ():
                    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert got == [unit * unit for unit in range(100)]


def test_a_unit_that_asks_to_leave_has_failed_and_its_worker_stays():
    with Processes(Duty(duties.leaves, None), jobs=1) as crew:
        with pytest.raises(UnitFailed, match="SystemExit: 0"):
            results(crew, range(1))
        assert len(crew.pids) == 1


def test_workers_take_no_notice_of_ctrl_c():
    with Processes(Duty(duties.interrupts_itself, None), jobs=2) as crew:
        assert results(crew, range(10)) == list(range(10))


def test_closing_a_round_ends_what_is_at_work_and_does_not_wait_for_it():
    with Processes(Duty(duties.never_ends, None), jobs=2) as crew:
        with closing(crew.carry_out(range(10))) as round_:
            assert next(round_).result == 0
            pids = crew.pids
        alive = [pid for pid in pids if is_alive(pid)]
        assert set(alive) == set(crew.pids)
        assert len(alive) < len(pids)


def test_closing_a_crew_leaves_no_process():
    crew = Processes(Duty(duties.squares, None), jobs=2)
    results(crew, range(50))
    pids = crew.pids
    assert len(pids) == 2
    crew.close()
    assert (crew.pids, [pid for pid in pids if is_alive(pid)]) == ((), [])


def test_a_program_that_cannot_be_loaded_is_told_as_it_would_be_here(make: Make):
    with make(Duty(duties.cannot_load, None)) as crew, pytest.raises(TargetError, match="no such program"):
        results(crew, range(3))


@pytest.mark.parametrize("kind", ["processes", "elsewhere"])
def test_a_program_that_breaks_while_it_is_loaded_is_told(kind: str):
    with CREWS[kind](Duty(duties.cannot_prepare, None)) as crew:
        with pytest.raises(CrewError, match="cannot load the program: LookupError: no such thing") as told:
            results(crew, range(3))
        assert told.value.code == "FL402"


def test_workers_that_die_before_they_are_ready_are_not_started_for_ever():
    with Processes(Duty(duties.dies_preparing, None), jobs=2) as crew:
        with pytest.raises(CrewError, match="before they have loaded the program: exit code 5") as told:
            results(crew, range(3))
        assert told.value.code == "FL402"


@pytest.mark.parametrize("kind", ["processes", "elsewhere"])
def test_a_program_without_a_name_is_refused_where_it_cannot_come_along(kind: str):
    done = threading.Event()
    other = threading.Thread(target=done.wait)  # with a second thread here, nobody is forked
    other.start()
    try:
        with (
            pytest.raises(CrewError, match=r"cannot be taken to another process.*path/to/file\.py:function") as told,
            CREWS[kind](Duty(lambda _: lambda unit: unit, None)) as crew,
        ):
            results(crew, range(3))
    finally:
        done.set()
        other.join()
    assert told.value.code == "FL401"


def test_jobs_is_a_number_from_1():
    with pytest.raises(Exception, match="jobs is a number of processes from 1, not 0"):
        Processes(Duty(duties.squares, None), jobs=0)


# In a process with one thread, where workers are forked, with warnings as errors


def test_a_program_without_a_name_comes_along_with_a_fork():
    assert in_a_process_of_its_own("closures") == [101, 102, 103, 104, 105]


def test_a_forked_worker_that_was_killed_has_a_successor(tmp_path: Path):
    assert in_a_process_of_its_own("dying", str(tmp_path)) == list(range(20))


def test_forked_workers_go_home_by_themselves_when_their_crew_is_closed(tmp_path: Path):
    pids = in_a_process_of_its_own("going_home", str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [*pids, "fifo"]
    assert len(pids) == 2


def test_ctrl_c_keeps_what_came_back_and_ends_the_workers():
    said = in_a_process_of_its_own("interrupted")
    assert said["left"] in ([1], [1, 2])  # 2 sent its result at the same moment
    assert said["alive"] == []


def test_a_crew_that_nobody_closes_does_not_keep_its_process_from_ending():
    assert in_a_process_of_its_own("unclosed") == 0


def test_a_worker_ends_with_the_process_that_started_it(fifo: str):
    command = [sys.executable, "-m", "tests.search.duties", "orphaned", fifo]
    with subprocess.Popen(command, cwd=ROOT) as search, open(fifo, "rb") as held:
        # The worker, at work for ever, holds the other end: it is closed when the worker has ended.
        assert held.read() == b""
        assert search.wait(timeout=60) == -signal.SIGKILL


# An executor


class Slow(Executor):
    """Does the first unit only."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = Future[Any]()
        if not self.futures:
            future.set_result(function(*args, **kwargs))
        self.futures.append(future)
        return future


def test_closing_a_round_cancels_what_an_executor_has_not_begun():
    executor = Slow()
    with closing(Elsewhere(Duty(duties.squares, None), executor).carry_out(range(100), ahead=5)) as round_:
        assert next(round_).result == 0
    assert [future.cancelled() for future in executor.futures] == [False, True, True, True, True]


def test_what_an_executor_has_done_and_nobody_took_is_left_over():
    with ThreadPoolExecutor(1) as executor:
        crew = Elsewhere(Duty(duties.squares, None), executor)
        round_ = crew.carry_out(range(6), ahead=6)
        assert next(round_).result == 0
        executor.submit(int).result()  # behind them all in the one thread
        round_.close()
    assert crew.left_over == tuple(Done(unit, unit, unit * unit) for unit in range(1, 6))


def test_an_executor_that_broke_is_told_after_the_results_before_it():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        round_ = Elsewhere(Duty(duties.dies_always, "kill"), executor).carry_out(range(9), ahead=1)
        assert [next(round_).result for _ in range(3)] == [0, 1, 2]
        with pytest.raises(CrewError, match="the executor takes no more work: BrokenProcessPool") as told:
            next(round_)
    assert told.value.code == "FL405"


def test_an_executor_that_is_shut_is_told():
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(CrewError, match="the executor takes no more work"):
        results(Elsewhere(Duty(duties.squares, None), executor), range(3))


def test_a_unit_that_an_executor_gives_up_is_lost():
    class Careless(Slow):
        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future = Future[Any]()
            future.set_exception(ConnectionError("the machine went away."))
            return future

    crew = Elsewhere(Duty(duties.squares, None), Careless())
    assert results(crew, [1]) == [Lost("its executor gave it up: ConnectionError: the machine went away")]


def test_a_process_does_one_unit_at_a_time_however_many_threads_it_has():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as executor:
            assert set(results(Elsewhere(Duty(duties.crowds, None), executor), range(50))) == {1}
    finally:
        sys.setswitchinterval(before)
