"""Ctrl-C ends a run and an exploration, whatever the program makes of it."""

import asyncio
import signal
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

import faultloop
from faultloop.drivers import keyboard

INTERRUPTED_RUN = 20
made = 0


async def swallows_it() -> None:
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    await anyio.sleep(1)


async def groups_it() -> None:
    async def cleans_up() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            await anyio.sleep(1)

    async with anyio.create_task_group() as group:
        group.start_soon(cleans_up)
        group.start_soon(anyio.sleep, 5)


async def swallows_it_once_many_runs_were_made() -> None:
    global made
    made += 1
    if made == INTERRUPTED_RUN:
        await swallows_it()
    await asyncio.gather(*(asyncio.sleep(1) for _ in range(5)))


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
@pytest.mark.parametrize("scenario", [swallows_it, groups_it])
def test_an_interruption_that_the_program_swallows_ends_the_run(scenario, driver):
    with pytest.raises(KeyboardInterrupt):
        faultloop.run(scenario, driver=driver)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_exploration_whose_program_swallows_an_interruption_stops_there():
    global made
    made = 0
    found = faultloop.explore(swallows_it_once_many_runs_were_made, runs=500)
    assert (found.status, found.reason) == ("inconclusive", "interrupted")
    assert found.runs <= INTERRUPTED_RUN == made


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_a_handler_of_the_programs_own_keeps_the_signal(driver):
    heard: list[int] = []

    async def handles_it() -> None:
        before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep(1)
        signal.signal(signal.SIGINT, before)

    assert faultloop.run(handles_it, driver=driver).status == "passed"
    assert heard == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_an_interruption_left_unawaited_is_not_complained_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        is_own = keyboard.listen()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        warnings.warn("coroutine 'Pool.acquire' was never awaited", RuntimeWarning, stacklevel=1)
        assert keyboard.stop_listening(is_own)


@pytest.mark.parametrize(("said", "code"), [("let_exit_codes_count()", 130), ("", -signal.SIGINT)])
def test_a_process_in_which_a_string_was_interrupted_ends_with_its_exit_code(said: str, code: int, tmp_path: Path):
    program = (
        "import sys\nfrom faultloop.drivers.keyboard import let_exit_codes_count\n"
        "try:\n    exec('raise KeyboardInterrupt')\nexcept KeyboardInterrupt:\n    pass\n"
        f"{said}\nsys.exit(130)\n"
    )
    (tmp_path / "program.py").write_text(program)
    assert subprocess.run([sys.executable, "-m", "program"], cwd=tmp_path, check=False).returncode == code
