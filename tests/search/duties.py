"""Duties for crews, and searches in a process of their own: python -m tests.search.duties NAME ARGUMENT...

A duty is a function at the top of a module that its workers can import, so these are here and not in a test.
"""

import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
from asyncio import Queue, gather
from collections.abc import Callable
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from faultloop import run
from faultloop.cli import main
from faultloop.cli.executors import executor_by_name
from faultloop.errors import JournalError, TargetError
from faultloop.search.crew import Alone, Duty, Lost, UnitFailed
from faultloop.search.elsewhere import Elsewhere
from faultloop.search.journal import open_journal
from faultloop.search.processes import Processes

ROOT = Path(__file__).resolve().parents[2]
_prepared = 0


def squares(_: object) -> Callable[[int], int]:
    """The square of each unit."""
    return lambda unit: unit * unit


def census(_: object) -> Callable[[int], tuple[int, int]]:
    """Which process does it, and how often it has prepared for that."""
    global _prepared
    _prepared += 1
    return lambda unit: (os.getpid(), _prepared)


def fails(_: object) -> Callable[[int], int]:
    """Raises at unit 2."""

    def do(unit: int) -> int:
        if unit == 2:
            raise LookupError("the unit is odd")
        return unit

    return do


def leaves(_: object) -> Callable[[int], int]:
    """Asks the interpreter to end."""
    return lambda unit: sys.exit(unit)


def cannot_load(_: object) -> Callable[[int], int]:
    """A program that is not there."""
    raise TargetError("there is no such program")


def cannot_prepare(_: object) -> Callable[[int], int]:
    """A program that breaks when it is imported."""
    raise LookupError("no such thing")


def dies_preparing(_: object) -> Callable[[int], int]:
    """A program that ends the process when it is imported."""
    os._exit(5)


def long_texts(_: object) -> Callable[[str], str]:
    """Text that is longer than any pipe's buffer."""
    return lambda unit: unit


def interrupts_itself(_: object) -> Callable[[int], int]:
    """Gets the signal of Ctrl-C before it answers."""

    def do(unit: int) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        return unit

    return do


def dies_once(folder: str) -> Callable[[int], int]:
    """Unit 3 kills its process the first time that it is done."""

    def do(unit: int) -> int:
        if unit == 3 and is_first(folder, str(unit)):
            os.kill(os.getpid(), signal.SIGKILL)
        return unit

    return do


def dies_always(how: str) -> Callable[[int], int]:
    """Unit 3 ends its process each time."""

    def do(unit: int) -> int:
        if unit == 3:
            os._exit(7) if how == "exit" else os.kill(os.getpid(), signal.SIGKILL)
        return unit

    return do


def waits_for_the_next(fifo: str) -> Callable[[int], int]:
    """Unit 0 is done only after unit 1 has begun, in another process."""

    def do(unit: int) -> int:
        if unit == 0:
            return len(Path(fifo).read_text(encoding="utf-8"))
        Path(fifo).write_text("ready", encoding="utf-8")
        return unit

    return do


def never_ends(_: object) -> Callable[[int], int]:
    """All units but the first are never done."""

    def do(unit: int) -> int:
        while unit:
            signal.pause()
        return unit

    return do


def interrupts_the_search(_: object) -> Callable[[int], int]:
    """Unit 0 is never done; unit 1 is; then unit 2, in its process, interrupts the search as Ctrl-C does."""

    def do(unit: int) -> int:
        while unit == 0:
            signal.pause()
        if unit == 2:
            os.kill(os.getppid(), signal.SIGINT)
        return unit

    return do


def kills_the_search(fifo: str) -> Callable[[int], int]:
    """Opens the pipe, kills the process of the search, and goes on for ever."""

    def do(unit: int) -> int:
        with open(fifo, "wb"):
            os.kill(os.getppid(), signal.SIGKILL)
            while True:
                signal.pause()

    return do


def crowds(_: object) -> Callable[[int], int]:
    """How many units were being done in this process while this one was."""

    def do(unit: int) -> int:
        inside.append(unit)
        most = max(len(inside) for _ in range(2_000))
        inside.remove(unit)
        return most

    inside: list[int] = []
    return do


def digests(_: object) -> Callable[[int], str]:
    """The digest of a run with that many workers, in an order drawn with that seed."""

    async def work(queue: Queue[int]) -> int:
        return await queue.get()

    async def scenario(count: int) -> None:
        queue: Queue[int] = Queue()
        for number in range(count):
            queue.put_nowait(number)
        await gather(*(work(queue) for _ in range(count)))

    return lambda unit: run(lambda: scenario(unit + 2), seed=unit, order="batch").trace.digest


def says_goodbye(folder: str) -> Callable[[int], int]:
    """As `waits_for_the_next`, and leaves a file when its process ends by itself."""
    Finalize(None, Path(folder, str(os.getpid())).touch, exitpriority=1)
    return waits_for_the_next(os.path.join(folder, "fifo"))


def is_first(folder: str, name: str) -> bool:
    """Whether nobody has asked this before, in any process."""
    try:
        os.close(os.open(os.path.join(folder, name), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


# In a process of its own, with one thread: there, workers are forked


def closures(_: list[str]) -> object:
    """A program without a name comes along with a fork."""
    offset = 100
    with Processes(Duty(lambda argument: lambda unit: unit + argument + offset, 1), jobs=2) as crew:
        return [done.result for done in crew.carry_out(range(5))]


def interrupted(_: list[str]) -> object:
    """What is left over when Ctrl-C comes, and whether anybody still lives."""
    crew = Processes(Duty(interrupts_the_search, None), jobs=2)
    try:
        list(crew.carry_out(range(3)))
    except KeyboardInterrupt:
        pids = crew.pids
        crew.close()
        return {"left": [done.number for done in crew.left_over], "alive": [pid for pid in pids if is_alive(pid)]}
    return "was not interrupted"


def dying(arguments: list[str]) -> object:
    """A worker dies, its siblings and its successor are forked."""
    with Processes(Duty(dies_once, arguments[0]), jobs=2) as crew:
        return [done.result for done in crew.carry_out(range(20))]


def going_home(arguments: list[str]) -> object:
    """The workers of a crew that is closed after both have done a unit."""
    os.mkfifo(os.path.join(arguments[0], "fifo"))
    with Processes(Duty(says_goodbye, arguments[0]), jobs=2) as crew:
        list(crew.carry_out(range(2)))
        return sorted(map(str, crew.pids))


def orphaned(arguments: list[str]) -> object:
    """Never comes to its end."""
    with Processes(Duty(kills_the_search, arguments[0]), jobs=2) as crew:
        return [done.result for done in crew.carry_out(range(1))]


def unclosed(_: list[str]) -> object:
    """A crew that nobody closes, with a worker at work."""
    round_ = Processes(Duty(never_ends, None), jobs=2).carry_out(range(3))
    globals()["kept"] = round_
    return next(round_).result


def writes_and_dies(arguments: list[str]) -> object:
    """A child writes 500 lines and a half, and is killed."""

    def die() -> None:
        with open_journal(arguments[0], {"seed": 1}, int, resume=False) as journal:
            for number in range(500):
                journal.write(str(number), number)
            with open(arguments[0], "ab", buffering=0) as file:
                file.write(b'{"key":"half","val')
            os.kill(os.getpid(), signal.SIGKILL)

    child = multiprocessing.get_context("fork").Process(target=die)
    child.start()
    child.join()
    return child.exitcode


def fills_the_disk(arguments: list[str]) -> object:
    """No file may grow past a limit that falls within the second line: its code, whether the file is as before, and
    whether a shorter line still finds room."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = Path(arguments[0])
    with open_journal(path, {"seed": 1}, str, resume=False) as journal:
        before = path.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 50, len(before) + 50))
        try:
            journal.write("long", "x" * 100)
        except JournalError as error:
            code, is_as_before = error.code, path.read_bytes() == before
        journal.write("short", "x")
    with open_journal(path, {"seed": 1}, str, resume=True) as journal:
        return [code, is_as_before, journal.entries == {"short": "x"}]


def on_dask(arguments: list[str]) -> object:
    """What crews come to on a cluster of two processes."""
    # Imported here: it takes longer than all the other duties together.
    from distributed import LocalCluster

    said: dict[str, object] = {"here": os.getpid()}
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=2,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # None would mean 8787, which another cluster on this machine may have
            silence_logs=logging.CRITICAL,
        ) as cluster,
        executor_by_name("dask", cluster.scheduler_address) as executor,
    ):
        workers = Elsewhere(Duty(census, None), executor).carry_out(range(50))
        said["workers"] = sorted({done.result[0] for done in workers if not isinstance(done.result, Lost)})
        try:
            list(Elsewhere(Duty(fails, None), executor).carry_out(range(4)))
        except UnitFailed as error:
            said["failed"] = "raise LookupError" in str(error)
        runs = Elsewhere(Duty(digests, None), executor).carry_out(range(4))
        said["runs"] = [done.result for done in runs]
        said["runs here"] = [done.result for done in Alone(Duty(digests, None)).carry_out(range(4))]
        results = Elsewhere(Duty(dies_once, arguments[0]), executor).carry_out(range(20))
        said["results"] = [done.result for done in results]
        said["explored"] = explored(arguments[0], "--executor", "dask", "--address", cluster.scheduler_address)
        said["one after another"] = one_after_another(Path(arguments[0]), cluster.scheduler_address)
    said["explored here"] = explored(arguments[0])
    return said


def explored(folder: str, *more: str) -> object:
    """What the command comes to for the pool of the examples."""
    result = Path(folder, "result.json")
    asked = ["explore", "-q", "examples/pool.py:scenario", "--strategy", "sweep", "--forget", "--out", folder, *more]
    code = main([*asked, "--json", str(result)])
    told = json.loads(result.read_bytes())
    return [code, told["runs"], [(failure["fault"], failure["count"]) for failure in told["failures"]]]


ONE = """import asyncio
async def one():
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        assert {holds}
        raise
"""
OTHER = """import asyncio
async def other():
    await asyncio.sleep(2)
    await asyncio.sleep(2)
"""


def one_after_another(folder: Path, address: str) -> list[list[object]]:
    """What people at one cluster come to: one explores a program, another one another, the first mends theirs."""
    (folder / "pyproject.toml").touch()
    command = [sys.executable, "-m", "faultloop", "explore", "--executor", "dask", "--address", address, "--forget"]
    came: list[list[object]] = []
    for holds, target in ((False, "one.py:one"), (False, "other.py:other"), (True, "one.py:one")):
        (folder / "one.py").write_text(ONE.format(holds=holds))
        (folder / "other.py").write_text(OTHER)
        done = subprocess.run([*command, target], cwd=folder, capture_output=True, text=True, timeout=60)
        came.append([done.returncode, done.stderr])
    return came


def is_alive(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def in_a_process_of_its_own(name: str, *arguments: str) -> Any:
    """What a function of this module returns there, where warnings are errors."""
    command = [sys.executable, "-W", "error", "-m", "tests.search.duties", name, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert (done.returncode, done.stderr) == (0, ""), (done.returncode, done.stderr)
    return json.loads(done.stdout)


if __name__ == "__main__":
    # A shell that starts tests in the background has them ignore what they are to be interrupted with.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print(json.dumps(globals()[sys.argv[1]](sys.argv[2:])))
