"""--driver: one scenario on asyncio, on trio, and on both."""

import pytest

from faultloop.search.tracefile import load_trace
from tests.cli.conftest import Shell

LEAKS = """\
import anyio

async def leaks():
    free = anyio.Semaphore(1)

    async def worker():
        await free.acquire()
        await anyio.sleep(0.1)
        free.release()

    async with anyio.create_task_group() as group:
        group.start_soon(worker)
    assert free.value == 1, "a slot has leaked"
"""
PLAN = "cancel worker @ worker>sleep #1 parked"


def test_a_plan_written_once_runs_on_both(shell: Shell):
    (shell.root / "leaks.py").write_text(LEAKS, encoding="utf-8")
    for driver in ("asyncio", "trio"):
        said = shell("run", "leaks.py:leaks", "--driver", driver, "--fault", PLAN, "--out", f"{driver}.json")
        assert said.code == 1
        assert "a slot has leaked" in said.out
        assert load_trace(f"{driver}.json").env.driver == driver
        assert shell("replay", f"{driver}.json").code == 1


def test_exploring_on_both_tells_what_each_found_and_keeps_both_traces(shell: Shell):
    (shell.root / "leaks.py").write_text(LEAKS, encoding="utf-8")
    said = shell("explore", "leaks.py:leaks", "--driver", "both", "--strategy", "sweep", "--json", "found.json")
    assert said.code == 1
    assert said.out.index("On asyncio:") < said.out.index("On trio:")
    traces = {path.name: load_trace(path).env.driver for path in (shell.root / ".faultloop").glob("*.trace.json")}
    assert traces["leaks-leaks-1.trace.json"] == "asyncio"
    assert traces["leaks-leaks-trio-1.trace.json"] == "trio"


def test_a_phase_that_a_driver_does_not_have_is_bad_usage(shell: Shell):
    (shell.root / "leaks.py").write_text(LEAKS, encoding="utf-8")
    said = shell("run", "leaks.py:leaks", "--driver", "trio", "--fault", "cancel worker @ sleep #1 woken")
    assert said.code == 2
    assert "[FL503]" in said.err


def test_the_doctor_examines_a_scenario_on_the_driver_it_is_given(shell: Shell):
    (shell.root / "leaks.py").write_text(LEAKS, encoding="utf-8")
    said = shell("doctor", "leaks.py:leaks", "--driver", "trio")
    assert said.code == 0
    assert "runs on    trio" in said.out


ELSEWHERE = """\
import asyncio, trio

async def of_trio():
    await trio.sleep(1)

async def of_asyncio():
    asyncio.get_running_loop()

async def of_nobody():
    raise RuntimeError("no running event loop")
"""


@pytest.mark.parametrize("verb", ["run", "explore"])
@pytest.mark.parametrize(
    ("name", "driver", "right"), [("of_trio", "asyncio", "trio"), ("of_asyncio", "trio", "asyncio")]
)
def test_a_program_of_the_other_loop_is_told_which_driver_it_needs(
    shell: Shell, verb: str, name: str, driver: str, right: str
):
    (shell.root / "elsewhere.py").write_text(ELSEWHERE, encoding="utf-8")
    said = shell(verb, f"elsewhere.py:{name}", "--driver", driver)
    words = " ".join((said.out + said.err).split())
    assert said.code == 1
    assert f"it is written for {right}, and this run was on {driver}: --driver {right}" in words
    assert shell(verb, f"elsewhere.py:{name}", "--driver", right).code == 0


def test_an_error_of_the_programs_own_names_no_driver(shell: Shell):
    (shell.root / "elsewhere.py").write_text(ELSEWHERE, encoding="utf-8")
    said = shell("run", "elsewhere.py:of_nobody", "--driver", "asyncio")
    assert "--driver" not in said.out + said.err
