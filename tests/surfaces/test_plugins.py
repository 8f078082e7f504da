"""Other plugins of pytest, and Hypothesis, beside faultloop's."""

import io

import hypothesis
import pytest

from tests.surfaces.conftest import Suite

pytest_plugins = ["pytester"]

FAILS = """
import asyncio, pytest
@pytest.mark.asyncio
async def test_it():
    taken = [1]
    try:
        await asyncio.sleep(1)
        taken.pop()
    except asyncio.CancelledError:
        pass
    assert not taken
"""
GIVEN = """
import asyncio, pytest, {library}
from hypothesis import given, settings, strategies
from hypothesis.database import DirectoryBasedExampleDatabase
DRAWN = []
@pytest.mark.{mark}
@settings(max_examples=20, database={database})
@given(number=strategies.integers(0, 1000))
async def test_given(number{more}):
    DRAWN.append(number)
    done = []
    async def work(name):
        await {library}.sleep(number)
        done.append(name)
    {both}
    assert number < 7 or done == [1, 2], done
def test_examples_were_drawn():
    assert len(set(DRAWN)) > 5
"""
GROUP = "async with anyio.create_task_group() as group:\n        [group.start_soon(work, name) for name in (1, 2)]"
NURSERY = "async with trio.open_nursery() as nursery:\n        [nursery.start_soon(work, name) for name in (1, 2)]"
GATHER = "await asyncio.gather(work(1), work(2))"
BACKENDS = """
@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request): return request.param
"""


@pytest.mark.parametrize(
    ("library", "mark", "both", "tests"),
    [
        pytest.param("anyio", "anyio", GROUP, 2, id="anyio"),
        pytest.param("asyncio", "asyncio", GATHER, 1, id="pytest-asyncio"),
        pytest.param("trio", "trio", NURSERY, 1, id="pytest-trio"),
    ],
)
def test_hypothesis_draws_the_inputs_and_faultloop_the_schedules(
    suite: Suite, library: str, mark: str, both: str, tests: int
):
    source = GIVEN.format(library=library, mark=mark, both=both, more="", database=None)
    suite.write(source + (BACKENDS if mark == "anyio" else ""))
    suite.run("--faultloop=run", "-W", "ignore", passed=tests + 1)
    printed = suite.run("--faultloop=explore", "--faultloop-faults=none", "-W", "ignore", passed=1, failed=tests)
    assert "number=7" in printed  # the smallest that fails, in an order that plain asyncio does not give
    trace = suite.traces[0]  # the database is off: the trace holds the inputs
    assert "replayed with the same digest" in suite.run("--faultloop-trace", str(trace), "-W", "ignore", failed=1)


def test_a_trace_of_another_hypothesis_is_replayed_on_the_examples_that_this_one_remembers(suite: Suite):
    remembering = 'DirectoryBasedExampleDatabase("remembered")'
    suite.write(GIVEN.format(library="asyncio", mark="asyncio", both=GATHER, more="", database=remembering))
    suite.run("--faultloop=explore", "--faultloop-faults=none", "-W", "ignore", passed=1, failed=1)
    trace = suite.traces[0]
    text = trace.read_text(encoding="utf-8")
    assert f"hypothesis {hypothesis.__version__} " in text
    trace.write_text(text.replace(f"hypothesis {hypothesis.__version__} ", "hypothesis 6.0.0 "), encoding="utf-8")
    assert "replayed with the same digest" in suite.run("--faultloop-trace", str(trace), "-W", "ignore", failed=1)


def test_drawn_inputs_with_an_async_fixture_are_refused_by_name(suite: Suite):
    source = GIVEN.format(library="asyncio", mark="asyncio", both=GATHER, more=", shared", database=None)
    fixture = "import pytest_asyncio\n@pytest_asyncio.fixture\nasync def shared(): return 1\n"
    suite.write(source.replace("@pytest.mark.asyncio", fixture + "@pytest.mark.asyncio\n@pytest.mark.faultloop"))
    printed = suite.run("-W", "ignore")
    assert "[FL808]" in printed
    assert '"shared"' in printed


def test_a_limit_on_time_counts_all_runs_and_is_nobody_s_schedule(suite: Suite):
    suite.write("import asyncio, pytest\n@pytest.mark.asyncio\nasync def test_it():\n    await asyncio.sleep(3600)\n")
    suite.run("--faultloop=explore", "--timeout=60", passed=1)


def test_a_test_that_fails_under_faultloop_is_not_run_again(suite: Suite):
    suite.write(FAILS)
    printed = suite.run("--faultloop=explore", "--reruns=3", failed=1)
    assert "RERUN" not in printed


def test_a_test_that_is_not_ours_is_run_again_as_ever(suite: Suite):
    suite.write(
        "RUNS = []\ndef test_it():\n    RUNS.append(1)\n    assert len(RUNS) == 3\n" + FAILS.replace("_it", "_b")
    )
    suite.run("--faultloop=run", "--reruns=3", "-k", "it or b", passed=2, rerun=2)


def test_a_loop_of_faultloop_s_serves_any_runner(suite: Suite):
    suite.write(
        "import asyncio, faultloop\n"
        "def test_it():\n"
        "    with asyncio.Runner(loop_factory=lambda: faultloop.new_event_loop(seed=3)) as runner:\n"
        "        runner.run(asyncio.sleep(3600))\n"
        "        assert runner.get_loop().time() == 3600\n"
    )
    suite.run(passed=1)


BASE = """
import asyncio, unittest
import faultloop.testing

class TestCase(faultloop.testing.IsolatedAsyncioTestCase):
    async def test_long(self):
        await asyncio.sleep(3600)
    async def test_leaks(self):
        taken = [1]
        try:
            await asyncio.sleep(1)
            taken.pop()
        except asyncio.CancelledError:
            pass
        self.assertEqual(taken, [])
"""


def test_the_base_class_is_in_virtual_time_without_pytest_too(suite: Suite, monkeypatch: pytest.MonkeyPatch):
    import unittest

    suite.write(BASE, "base_case.py")
    monkeypatch.syspath_prepend(suite.pytester.path)
    import base_case  # type: ignore[import-not-found]  # written just now

    tests = unittest.defaultTestLoader.loadTestsFromModule(base_case)
    result = unittest.TextTestRunner(stream=io.StringIO()).run(tests)
    assert (result.testsRun, result.wasSuccessful()) == (2, True)
    suite.write(BASE)
    suite.run("test_it.py", passed=2)
    suite.run("test_it.py", "--faultloop=explore", "--faultloop-runs=20", passed=1, failed=1)


def test_pytest_asyncio_in_auto_mode_is_taken(suite: Suite):
    suite.write("import asyncio\nasync def test_it():\n    await asyncio.sleep(3600)\n")
    suite.run("--faultloop=run", "--asyncio-mode=auto", passed=1)


@pytest.mark.newest
def test_the_debug_flag_of_pytest_asyncio_is_taken(suite: Suite):
    suite.write("import asyncio\nasync def test_it():\n    await asyncio.sleep(3600)\n")
    suite.run("--faultloop=run", "--asyncio-mode=auto", "--asyncio-debug", passed=1)


def test_anyio_in_auto_mode_is_taken_on_both_backends(suite: Suite):
    suite.write("import anyio\nasync def test_it(anyio_backend):\n    await anyio.sleep(3600)\n")
    printed = suite.run("--faultloop=run", "-v", "-o", "anyio_mode=auto", passed=2)
    assert printed.count("3600.000 s virtual") == 2


def test_a_fixture_s_background_task_is_struck_only_when_it_is_named(suite: Suite):
    suite.write(
        "import asyncio, pytest, pytest_asyncio\n"
        "@pytest_asyncio.fixture\n"
        "async def server():\n"
        "    async def serve():\n"
        "        while True:\n"
        "            request, reply = await queue.get()\n"
        "            await asyncio.sleep(0.1)\n"
        "            reply.set_result(request)\n"
        "    queue = asyncio.Queue()\n"
        "    task = asyncio.create_task(serve(), name='server')\n"
        "    yield queue\n"
        "    task.cancel()\n"
        "@pytest.mark.asyncio\n"
        "async def test_it(server):\n"
        "    reply = asyncio.get_running_loop().create_future()\n"
        "    await server.put((1, reply))\n"
        "    async with asyncio.timeout(100):\n"
        "        assert await reply == 1\n"
    )
    suite.run("--faultloop=explore", "--faultloop-faults=cancel", "--faultloop-runs=100", passed=1)
    suite.run("--faultloop=explore", "--faultloop-faults=cancel", "--faultloop-tasks=server", failed=1)
