"""What is asked for, and in which sentence it is refused."""

import gc
import subprocess
import sys

import pytest

from tests.surfaces.conftest import Suite

pytest_plugins = ["pytester"]

ONE = """
import asyncio, pytest
@pytest.mark.asyncio
{marks}
async def test_one():
    await asyncio.sleep(1)
"""
TWO = (
    ONE
    + """
def test_two():
    pass
"""
)


def test_without_flag_or_mark_nothing_of_ours_runs_or_is_imported():
    probe = (
        "import sys, pytest; import faultloop.pytest_plugin; "
        "print([name for name in ('msgspec', 'asyncio', 'trio', 'anyio', 'faultloop.errors') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_suite_without_flag_or_mark_runs_on_plain_asyncio(suite: Suite):
    suite.write(
        "import asyncio, pytest\n"
        "@pytest.mark.asyncio\n"
        "async def test_it(faultloop):\n"
        "    faultloop.note('heard by nobody')\n"
        "    faultloop.invariant('holds', lambda: True)\n"
        "    assert not faultloop.is_active and 'faultloop' not in type(asyncio.get_running_loop()).__module__\n"
    )
    assert "faultloop 0" not in suite.run(passed=1)


def test_a_claim_that_does_not_hold_fails_a_plain_test_as_well(suite: Suite):
    suite.write(
        "import pytest\n@pytest.mark.asyncio\nasync def test_it(faultloop):\n"
        "    faultloop.invariant('nothing is left', lambda: False)\n"
    )
    assert "this did not hold: nothing is left" in suite.run(passed=1, errors=1)


def test_only_what_is_marked_runs_under_faultloop(suite: Suite):
    suite.write(
        ONE.format(marks="@pytest.mark.faultloop")
        + ONE.format(marks="").replace("test_one", "test_not").replace("sleep(1)", "sleep(0)")
    )
    printed = suite.run("-v", passed=2)
    assert "test_one PASSED [1.000 s virtual]" in printed
    assert "test_not PASSED  " in printed


def test_a_mark_with_options_for_exploring_explores(suite: Suite):
    suite.write(ONE.format(marks="@pytest.mark.faultloop(runs=5, faults=['cancel'])"))
    assert "test_one PASSED [1 await, 5 runs" in suite.run("-v", passed=1)


def test_off_leaves_marked_tests_alone(suite: Suite):
    suite.write(ONE.format(marks="@pytest.mark.faultloop").replace("sleep(1)", "sleep(0)"))
    assert "virtual" not in suite.run("-v", "--faultloop=off", passed=1)


@pytest.mark.parametrize("place", ["ini", "table"])
def test_files_say_what_the_command_line_leaves_open(suite: Suite, place: str):
    suite.write(ONE.format(marks=""))
    if place == "ini":
        ini = suite.pytester.path / "pytest.ini"
        ini.write_text(ini.read_text() + "faultloop = explore\nfaultloop_runs = 4\n")
    else:
        (suite.pytester.path / "pyproject.toml").write_text('[tool.faultloop]\nmode = "explore"\nruns = 4\n')
    assert "1 await, 4 runs" in suite.run("-v", passed=1)
    assert "1 await, 6 runs" in suite.run("-v", "--faultloop-runs=6", passed=1)
    assert "[1.000 s virtual]" in suite.run("-v", "--faultloop=run", passed=1)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(["--faultloop=run", "--faultloop-runs=0"], "FL804", "--faultloop-runs: expected", id="runs"),
        pytest.param(["--faultloop=run", "--faultloop-time=soon"], "FL804", "--faultloop-time: expected", id="time"),
        pytest.param(["--faultloop=run", "--faultloop-order=odd"], "FL804", "fifo, batch or any", id="order"),
        pytest.param(["--faultloop=run", "--faultloop-jobs=4"], "FL807", "pytest-xdist", id="jobs"),
        pytest.param(["--faultloop-trace=none.json"], "FL107", "there is no such file", id="trace"),
        pytest.param(["--faultloop=run", "-k", "two"], "FL805", "no async test was selected", id="nothing"),
        pytest.param(["--faultloop-runs=5"], "FL805", "--faultloop-runs was typed", id="nobody-asks"),
        pytest.param(["--faultloop=sweep"], "FL804", "off, run, explore", id="mode"),
        pytest.param(["--faultloop-seeds=4"], "FL804", "did you mean --faultloop-seed?", id="unknown"),
        pytest.param(["--faultloop-trace="], "FL804", "expected a file", id="no-trace"),
        pytest.param(["--faultloop=run", "--faultloop-strategy=odd"], "FL510", 'no strategy "odd"', id="strategy"),
        pytest.param(["--faultloop=run", "--faultloop-faults=bogus"], "FL500", "expected a fault", id="faults"),
        pytest.param(["--faultloop=run", "--faultloop-faults=net:odd"], "FL514", '"net:odd"', id="network"),
        pytest.param(["--faultloop=run", "--faultloop-at="], "FL804", "expected a pattern", id="pattern"),
        pytest.param(["--faultloop=explore", "--faultloop-dir=test_it.py"], "FL110", "File exists", id="folder"),
    ],
)
def test_a_wrong_command_line_is_a_sentence(suite: Suite, arguments: list[str], code: str, words: str):
    suite.write(TWO.format(marks=""))
    printed = suite.run(*arguments)
    assert f"[{code}]" in printed
    assert words in printed
    assert "Traceback" not in printed
    assert "passed" not in printed  # before anything runs


@pytest.mark.parametrize(
    ("arguments", "mark", "code"),
    [
        (["--faultloop=run", "-k", "two"], "", "FL805"),
        (["--faultloop-runs=5"], "", "FL805"),
        ([], "@pytest.mark.faultloop(run=3)", "FL804"),
    ],
    ids=["nothing", "nobody-asks", "mark"],
)
def test_what_a_worker_refuses_is_the_same_sentence_once(suite: Suite, arguments: list[str], mark: str, code: str):
    suite.write(TWO.format(marks=mark))
    printed = suite.run("-n2", *arguments, errors=1)
    assert f"[{code}]" in printed
    assert "INTERNALERROR" not in printed


def test_an_option_in_a_file_asks_for_nothing_by_itself(suite: Suite):
    suite.write(TWO.format(marks=""))
    suite.run("-o", "faultloop_runs=5", passed=2)
    suite.run("--faultloop=off", "--faultloop-runs=5", passed=2)


def test_an_exception_that_there_is_not_fails_the_test_instead_of_striking_nothing(suite: Suite):
    suite.write(ONE.format(marks=""))
    printed = suite.run("--faultloop=explore", "--faultloop-faults=fail:Nope", failed=1)
    assert '"Nope" is not an exception this program has imported' in printed
    assert "[FL504]" in printed


def test_patterns_that_match_no_await_are_told_at_the_end(suite: Suite):
    suite.write(ONE.format(marks=""))
    printed = suite.run("--faultloop=explore", "--faultloop-at=odd*", "--faultloop-tasks=none", passed=1)
    assert '1 test struck by no fault: none of their awaits matches tasks "none" and at "odd*"' in printed
    assert "struck by no fault" not in suite.run("--faultloop=explore", "--faultloop-at=*sleep*", passed=1)


@pytest.mark.parametrize(
    ("content", "code"),
    [("[]", "FL1"), ("not json", "FL101"), ('{"format":"faultloop-trace","version":1,"target":{"inputs":7}}', "FL109")],
    ids=["list", "text", "type"],
)
def test_a_damaged_trace_is_a_sentence(suite: Suite, content: str, code: str):
    suite.write(TWO.format(marks=""))
    suite.write(content, "damaged.json")
    printed = suite.run("--faultloop-trace=damaged.json")
    assert f"[{code}" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("marks", "code", "words"),
    [
        pytest.param("@pytest.mark.faultloop(run=3)", "FL804", "did you mean runs?", id="unknown"),
        pytest.param("@pytest.mark.faultloop('sweep')", "FL804", "run or explore", id="mode"),
        pytest.param("@pytest.mark.faultloop(runs='many')", "FL804", "expected a number", id="value"),
        pytest.param("@pytest.mark.faultloop('run', runs=3)", "FL806", 'mode="run", and gives runs', id="conflict"),
        pytest.param("@pytest.mark.faultloop\n@pytest.mark.trio", "FL806", "asyncio and trio", id="two-loops"),
    ],
)
def test_a_wrong_mark_is_a_sentence_with_the_test_s_name(suite: Suite, marks: str, code: str, words: str):
    suite.write(ONE.format(marks=marks))
    printed = suite.run()
    assert f"[{code}]" in printed
    assert "test_it.py::test_one" in printed
    assert words in printed
    assert "Traceback" not in printed


def test_an_unknown_key_of_the_table_is_a_sentence(suite: Suite):
    suite.write(ONE.format(marks=""))
    (suite.pytester.path / "pyproject.toml").write_text("[tool.faultloop]\nseeds = 4\n")
    printed = suite.run("--faultloop=run")
    assert 'no key "seeds"; did you mean seed?' in printed
    assert "[FL804]" in printed


MODULE_FIXTURE = """
import asyncio, pytest, pytest_asyncio
{fixture}
async def shared():
    yield 1
{mark}
async def test_wide(shared):
    await asyncio.sleep(0)
async def _none(): pass
@pytest.mark.asyncio
async def test_narrow():
    await asyncio.sleep(5)
"""
WIDE = {
    "asyncio-fixture": (
        "@pytest_asyncio.fixture(scope='module', loop_scope='module')",
        "@pytest.mark.asyncio(loop_scope='module')",
        "FL802",
    ),
    "asyncio-fixture-only": ("@pytest_asyncio.fixture(loop_scope='module')", "@pytest.mark.asyncio", "FL801"),
    "anyio-fixture": (
        "@pytest.fixture(scope='module')\ndef anyio_backend(): return 'asyncio'\n@pytest.fixture(scope='module')",
        "@pytest.mark.anyio",
        "FL801",
    ),
}


@pytest.mark.parametrize("which", WIDE)
def test_a_loop_that_outlives_the_run_is_refused_by_name_when_it_is_marked(suite: Suite, which: str):
    fixture, mark, code = WIDE[which]
    suite.write(MODULE_FIXTURE.format(fixture=fixture, mark=mark + "\n@pytest.mark.faultloop"))
    printed = suite.run()
    assert f"[{code}]" in printed
    assert "test_it.py::test_wide" in printed
    assert "function" in printed


@pytest.mark.parametrize("which", WIDE)
def test_a_loop_that_outlives_the_run_is_left_alone_and_counted_when_all_tests_are_asked_for(suite: Suite, which: str):
    fixture, mark, code = WIDE[which]
    suite.write(MODULE_FIXTURE.format(fixture=fixture, mark=mark))
    printed = suite.run("--faultloop=run", "-v", passed=2)
    assert "test_narrow PASSED [5.000 s virtual]" in printed
    assert "1 test not under faultloop" in printed
    assert f"[{code}]" in printed


def test_a_sync_test_that_is_marked_itself_is_refused_and_one_in_a_marked_module_is_not(suite: Suite):
    suite.write("import pytest\n@pytest.mark.faultloop\ndef test_sync(): pass\n")
    assert "[FL803]" in suite.run()
    suite.write("import pytest\npytestmark = pytest.mark.faultloop\ndef test_sync(): pass\n")
    suite.run(passed=1)


def test_a_trace_of_a_test_that_is_not_collected_is_refused(suite: Suite):
    suite.write(
        "import asyncio, pytest\n@pytest.mark.asyncio\nasync def test_a():\n    l=[1]\n"
        "    try:\n        await asyncio.sleep(1)\n    except asyncio.CancelledError: pass\n"
        "    else: l.clear()\n    assert not l\n"
    )
    suite.run("--faultloop=explore", failed=1)
    (trace,) = suite.traces
    suite.write("def test_b(): pass\n", "test_b.py")
    assert "[FL809]" in suite.run("--faultloop-trace", str(trace), "test_b.py")
    assert "replayed with the same digest" in suite.run("--faultloop-trace", str(trace), failed=1)


def test_a_release_that_makes_its_loops_elsewhere_is_refused_by_name(suite: Suite, monkeypatch: pytest.MonkeyPatch):
    import pytest_asyncio.plugin

    suite.write(ONE.format(marks="@pytest.mark.faultloop"))
    monkeypatch.delattr(pytest_asyncio.plugin, "Runner")
    printed = suite.run()
    assert "[FL810]" in printed
    assert "pytest-asyncio 1.1 or newer" in printed


def test_a_test_that_ran_on_another_loop_is_never_said_to_have_been_under_faultloop(suite: Suite):
    suite.write(
        "import asyncio, pytest\n"
        "@pytest.fixture(autouse=True)\n"
        "def another_loop(request):\n"
        "    function = request.node.obj\n"
        "    request.node.obj = lambda: asyncio.run(function())\n"
        "async def test_it():\n"
        "    await asyncio.sleep(0)\n"
    )
    printed = suite.run("--faultloop=run", "-v", passed=1)
    assert "virtual" not in printed
    assert "1 test not under faultloop" in printed
    assert "[FL810]" in printed


def test_while_tests_are_explored_what_was_loaded_before_is_left_out_of_collections(suite: Suite):
    suite.write(
        "import asyncio, gc, pytest\n"
        "@pytest.mark.faultloop('explore', runs=5)\n"
        "@pytest.mark.asyncio\n"
        "async def test_it():\n"
        "    await asyncio.sleep(0)\n"
        "def test_between():\n"
        "    assert gc.get_freeze_count() > 10_000\n"
    )
    gc.unfreeze()
    suite.run(passed=2)
    assert gc.get_freeze_count() == 0
