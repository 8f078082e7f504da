"""One result per test, whatever was tried: fixtures, reports, files, debuggers."""

import re
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from faultloop.search.coverage import load_coverage
from faultloop.search.tracefile import load_trace
from tests.surfaces.conftest import Suite, command_line, digest_in

pytest_plugins = ["pytester"]

LEAKS = """
import asyncio
import pytest

@pytest.mark.asyncio
{mark}
async def test_leaks({arguments}):
    taken = [1]
    try:
        await asyncio.sleep(1)
        taken.pop()
    except asyncio.CancelledError:
        pass
    assert not taken
"""
SCOPES = """
import asyncio, pathlib, pytest

COUNTS = pathlib.Path("counts")

def count(what):
    with COUNTS.open("a") as file:
        file.write(what + "\\n")

@pytest.fixture(scope="module")
def wide():
    count("wide up")
    yield
    count("wide down")

@pytest.fixture
def narrow():
    count("narrow up")
    yield
    count("narrow down")

class TestClass:
    @pytest.mark.asyncio
    async def test_scopes(self, wide, narrow, tmp_path):
        count(f"path {tmp_path}")
        count(f"self {getattr(self, 'used', False)}")
        self.used = True
        await asyncio.sleep(1)

def test_after(wide):
    count("after")
"""


def test_function_fixtures_are_new_for_each_run_and_wider_ones_are_shared(suite: Suite):
    suite.write(SCOPES)
    printed = suite.run("--faultloop=explore", "--faultloop-runs=9", "-v", passed=2)
    told = re.search(r"(\d+) runs", printed)
    assert told is not None
    runs = int(told.group(1)) + 1  # the one that is told, before the search
    lines = (suite.pytester.path / "counts").read_text().splitlines()
    assert lines.count("narrow up") == lines.count("narrow down") == lines.count("self False") == runs > 4
    assert len({line for line in lines if line.startswith("path")}) == runs
    assert [line for line in lines if line.startswith("wide") or line == "after"] == ["wide up", "after", "wide down"]


def test_a_wider_fixture_that_fails_when_it_goes_is_an_error_as_ever(suite: Suite):
    suite.write(
        "import asyncio, pytest\n@pytest.fixture(scope='module')\ndef wide():\n    yield\n    raise OSError('late')\n"
        "@pytest.mark.asyncio\nasync def test_it(wide):\n    await asyncio.sleep(1)\n"
    )
    assert "OSError: late" in suite.run("--faultloop=explore", "--faultloop-runs=5", passed=1, errors=1)


def test_skips_and_expected_failures_keep_their_meaning(suite: Suite):
    suite.write(
        "import asyncio, pytest\npytestmark = pytest.mark.asyncio\n"
        "async def test_a():\n    await asyncio.sleep(1)\n    pytest.skip('no')\n"
        "@pytest.mark.xfail\nasync def test_b():\n    assert 0\n"
        "@pytest.mark.xfail\nasync def test_c():\n    await asyncio.sleep(1)\n"
        "@pytest.mark.skip\nasync def test_d():\n    assert 0\n"
        "@pytest.fixture\ndef broken():\n    raise OSError\n"
        "async def test_e(broken):\n    assert 0\n"
    )
    suite.run("--faultloop=explore", skipped=2, xfailed=1, xpassed=1, errors=1)


def test_the_file_of_results_has_one_case_with_the_trace(suite: Suite):
    suite.write(LEAKS.format(mark="", arguments=""))
    suite.run("--faultloop=explore", "--junitxml=out.xml", failed=1)
    cases = list(ElementTree.parse(suite.pytester.path / "out.xml").iter("testcase"))
    assert len(cases) == 1
    properties = {each.get("name"): each.get("value") for each in cases[0].iter("property")}
    assert properties["faultloop_trace"] == f".faultloop/{suite.traces[0].name}"
    assert len(list(cases[0].iter("failure"))) == 1


def test_in_other_processes_results_and_seeds_are_the_same(suite: Suite):
    suite.write(LEAKS.format(mark="", arguments=""))
    here = suite.run("--faultloop=explore", failed=1)
    before = suite.traces[0].read_bytes()
    there = suite.run("--faultloop=explore", "-n2", failed=1)
    assert "replayed once, with the same digest" in there
    assert here.count("pytest --faultloop-trace") == there.count("pytest --faultloop-trace") == 2
    assert _without_times(suite.traces[0].read_bytes()) == _without_times(before)


def _without_times(trace: bytes) -> bytes:
    """Nor what else was imported in the process, which other tests have a part in."""
    return re.sub(rb'"wall_ns": ?\d+|"packages": ?\{[^}]*\},?', b"", trace)


def test_traces_go_beside_the_root_under_names_that_are_safe_and_unlike(suite: Suite):
    names = ["a/b", "a_b", "../../etc", "ä" * 200, "nul\\x00"]
    mark = f"@pytest.mark.parametrize('name', {names!r})"
    suite.write(LEAKS.format(mark=mark, arguments="name"), "sub/test_it.py")
    suite.run("--faultloop=explore", "--faultloop-runs=10", failed=5)
    assert len(suite.traces) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,120}", path.name) for path in suite.traces)
    assert (suite.pytester.path / ".faultloop" / ".gitignore").read_text() == "*\n"
    assert [command_line("replay", "-q", str(path)) for path in suite.traces] == [1] * 5


def test_a_page_is_written_beside_each_trace_when_it_is_asked_for(suite: Suite):
    suite.write(LEAKS.format(mark="", arguments=""))
    suite.run("--faultloop=explore", failed=1)
    assert list((suite.pytester.path / ".faultloop").glob("*.html")) == []
    suite.run("--faultloop=explore", "--faultloop-html=failed", failed=1)
    (page,) = (suite.pytester.path / ".faultloop").glob("*.html")
    text = page.read_text(encoding="utf-8")
    assert "await asyncio.sleep(1)" in text  # the source that waits
    assert '"name":"passing run"' in text


def test_what_tests_saw_and_tried_adds_up_also_over_processes(suite: Suite):
    suite.write(LEAKS.format(mark="", arguments=""), "test_one.py")
    suite.write(LEAKS.format(mark="", arguments=""), "test_two.py")
    suite.run("--faultloop=explore", "-n2", failed=2)
    known = load_coverage(suite.pytester.path / ".faultloop" / "coverage.json")
    assert [covered.point.file for covered in known.points] == ["test_one.py", "test_two.py"]
    assert all(covered.taken == covered.chances > 0 for covered in known.points)
    assert command_line("coverage", "report", "--fail-under", "100", "-q") == 0


def test_a_damaged_coverage_file_takes_no_result_and_is_warned_of(suite: Suite):
    suite.write(LEAKS.format(mark="", arguments=""))
    damaged = suite.pytester.path / ".faultloop" / "coverage.json"
    damaged.parent.mkdir()
    damaged.write_text("{")
    said = suite.run("--faultloop=explore", "-W", "error", failed=1, warnings=1)
    assert len(suite.traces) == 1
    assert "coverage.json: not a file of faultloop-coverage" in said
    assert damaged.read_text() == "{"


def test_a_debugger_enters_once_at_the_failing_run(suite: Suite, monkeypatch: pytest.MonkeyPatch):
    suite.write(
        "from _pytest.debugging import pytestPDB\nENTERED = []\n"
        "class Debugger:\n"
        "    quitting = False\n"
        "    def __init__(self, *args, **kwargs): self.botframe = None\n"
        "    def reset(self): pass\n"
        "    def interaction(self, frame, trace):\n"
        "        trace = getattr(trace, '__traceback__', trace)\n"
        "        while trace.tb_next: trace = trace.tb_next\n"
        "        print('entered with', trace.tb_frame.f_locals['taken'])\n"
        "    def setup(self, f, tb): pass\n",
        "debugger.py",
    )
    suite.write(LEAKS.format(mark="", arguments=""))
    monkeypatch.syspath_prepend(suite.pytester.path)
    printed = suite.run("--faultloop=explore", "--pdb", "--pdbcls=debugger:Debugger", failed=1)
    assert printed.count("entered with [1]") == 1


INTERRUPTED = """
import asyncio, os, pytest, signal
RUNS = []
{mark}
async def test_leaks({arguments}):
    RUNS.append(1)
    if len(RUNS) == 25:
        os.kill(os.getpid(), signal.SIGINT)
    taken = [1]
    try:
        await asyncio.sleep(1)
        taken.pop()
    except asyncio.CancelledError:
        pass
    for _ in range(100):
        await asyncio.sleep(1)
    assert {claim}
"""


def test_what_was_found_before_somebody_interrupted_is_told_and_kept(suite: Suite):
    suite.write(INTERRUPTED.format(mark="@pytest.mark.asyncio", arguments="", claim="not taken"))
    done = suite.pytester.run(sys.executable, "-mpytest", "--faultloop=explore", stdin=b"")
    assert done.ret == pytest.ExitCode.INTERRUPTED
    assert done.parseoutcomes() == {"failed": 1}
    assert "Cancelling test_leaks at one await breaks test_leaks." in done.stdout.str()
    assert len(suite.traces) == 1


@pytest.mark.parametrize("pdb", [[], ["--pdb"]], ids=["plain", "pdb"])
def test_an_interruption_ends_the_session_where_nothing_was_found(suite: Suite, pdb: list[str]):
    suite.write(INTERRUPTED.format(mark="@pytest.mark.asyncio", arguments="", claim="True"))
    done = suite.pytester.run(sys.executable, "-mpytest", "--faultloop=explore", *pdb, stdin=b"")
    assert done.ret == pytest.ExitCode.INTERRUPTED
    assert done.parseoutcomes() == {}


def test_an_interruption_that_a_test_swallows_ends_the_session_all_the_same(suite: Suite):
    suite.write(
        "import asyncio, os, pytest, signal\nRUNS = []\n@pytest.mark.asyncio\nasync def test_it():\n"
        "    RUNS.append(1)\n"
        "    try:\n"
        "        if len(RUNS) == 5:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "            pass\n"
        "    except BaseException:\n"
        "        pass\n"
        "    for _ in range(100):\n"
        "        await asyncio.sleep(1)\n"
        "def test_that_would_be_next(): pass\n"
    )
    done = suite.pytester.run(sys.executable, "-mpytest", "--faultloop=explore", stdin=b"")
    assert done.ret == pytest.ExitCode.INTERRUPTED
    assert done.parseoutcomes() == {}


def test_an_interruption_of_a_test_with_drawn_inputs_ends_the_session(suite: Suite):
    given = "@pytest.mark.asyncio\n@hypothesis.given(number=hypothesis.strategies.integers())"
    source = INTERRUPTED.format(mark=given, arguments="number", claim="True")
    suite.write(source.replace("import asyncio,", "import asyncio, hypothesis, hypothesis.strategies,"))
    done = suite.pytester.run(sys.executable, "-mpytest", "--faultloop=explore", "-W", "ignore", stdin=b"")
    assert done.ret == pytest.ExitCode.INTERRUPTED


def test_what_a_run_prints_and_warns_of_is_only_told_of_the_run_that_is_told(suite: Suite):
    suite.write(
        "import asyncio, pytest, warnings\n@pytest.mark.asyncio\nasync def test_it():\n"
        "    print('said once')\n    warnings.warn('warned once')\n    await asyncio.sleep(1)\n"
    )
    printed = suite.run("--faultloop=explore", "--faultloop-runs=9", "-rP", "-v", "-Wdefault")
    assert printed.count("said once") == 1
    assert printed.count("UserWarning: warned once") == 1
    assert suite.run("--faultloop=explore", "--faultloop-runs=9", "-s", "-Wdefault").count("said once") == 1


def test_the_header_says_what_tests_are_run_with(suite: Suite):
    suite.write(LEAKS.format(mark="", arguments=""))
    assert re.search(
        r"^faultloop \S+: explore, runs 9, seed 3, hash seed 0$",
        suite.run("--faultloop=explore", "--faultloop-runs=9", "--faultloop-seed=3"),
        re.MULTILINE,
    )


def test_a_test_that_is_split_is_several_with_seeds_of_their_own(suite: Suite):
    suite.write("import asyncio, pytest\n@pytest.mark.asyncio\nasync def test_it():\n    await asyncio.sleep(1)\n")
    printed = suite.run("--faultloop=explore", "--faultloop-split=3", "--faultloop-runs=9", "-v", passed=3)
    assert "test_it[part1] PASSED" in printed
    assert "test_it[part3] PASSED" in printed


def test_a_trace_is_shrunk_and_followed_by_name_from_the_command_line(suite: Suite, capsys: pytest.CaptureFixture[str]):
    suite.write(LEAKS.format(mark="", arguments=""))
    suite.run("--faultloop=explore", failed=1)
    (trace,) = suite.traces
    assert command_line("shrink", str(trace)) == 1
    capsys.readouterr()
    assert command_line("replay", "--follow", "faults", str(trace)) == 1
    assert "the same faults still break it" in capsys.readouterr().out


@pytest.mark.parametrize("mark", ["", "pyproject.toml"])
def test_from_a_folder_below_the_command_line_finds_the_root_that_pytest_found(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mark: str
):
    """Only pytest.ini marks it; or, to the command line, another file marks the folder below."""
    suite.write(LEAKS.format(mark="", arguments=""), "checks/test_it.py")
    if mark:
        (suite.pytester.path / "checks" / mark).touch()
    monkeypatch.chdir(suite.pytester.path / "checks")
    suite.run("--faultloop=explore", failed=1)
    (trace,) = suite.traces
    capsys.readouterr()
    assert command_line("replay", f"../.faultloop/{trace.name}") == 1, capsys.readouterr().err
    assert digest_in(capsys.readouterr().out)


def test_a_trace_cannot_name_a_test_outside_the_project(suite: Suite, capsys: pytest.CaptureFixture[str]):
    suite.write(LEAKS.format(mark="", arguments=""))
    suite.run("--faultloop=explore", failed=1)
    (trace,) = suite.traces
    trace.write_text(trace.read_text().replace("test_it.py::", "../test_it.py::"))
    capsys.readouterr()
    assert command_line("replay", str(trace)) == 2
    assert "[FL106]" in capsys.readouterr().err


INSTALLED = {
    "shop/__init__.py": "",
    "shop/pool.py": "import asyncio\n\nasync def acquire():\n    await asyncio.sleep(1)\n",
    "shop/test_shop.py": """
import pytest
from hypothesis import given, settings, strategies
from shop.pool import acquire

class TestShop:
    @pytest.mark.asyncio
    async def test_leaks(self, faultloop):
        taken = [1]
        faultloop.invariant("nothing is taken", lambda: not taken)
        await acquire()
        taken.pop()

@pytest.mark.asyncio
@given(strategies.just(1))
@settings(database=None)
async def test_drawn(number):
    taken = [number]
    try:
        await acquire()
        taken.pop()
    finally:
        assert not taken
""",
}


@pytest.mark.parametrize("test", ["TestShop::test_leaks", "test_drawn"])
def test_what_was_installed_with_an_installed_test_is_its_own(suite: Suite, test: str):
    for name, source in INSTALLED.items():
        suite.write(source, f"site-packages/{name}")
    suite.pytester.syspathinsert(suite.pytester.path / "site-packages")
    suite.run("--faultloop=explore", "--pyargs", f"shop.test_shop::{test}", failed=1)
    (trace, *_) = suite.traces
    assert {(site.function, site.awaited) for site in load_trace(trace).sites} >= {("acquire", "sleep")}


@pytest.mark.newest
def test_a_cancellation_that_passes_a_wait_for_a_group_of_errors_is_let_through(suite: Suite):
    suite.write(
        "import asyncio, pytest\n@pytest.mark.asyncio\nasync def test_it():\n"
        "    with pytest.RaisesGroup(ValueError):\n"
        "        async with asyncio.TaskGroup() as group:\n"
        "            await asyncio.sleep(1)\n"
        "            raise ValueError\n"
    )
    suite.run("--faultloop=explore", "--faultloop-runs=20", passed=1)


def test_what_broken_runs_leave_open_is_no_error_of_the_next_test(suite: Suite):
    suite.write(
        "import asyncio, pytest, warnings\n"
        "class Handle:\n"
        "    def __init__(self): self.me, self.is_open = self, True\n"  # a cycle: only the collector finds it
        "    def __del__(self):\n"
        "        if self.is_open: warnings.warn('left open', ResourceWarning)\n"
        "@pytest.mark.asyncio\nasync def test_a():\n"
        "    handle = Handle()\n"
        "    await asyncio.sleep(1)\n"
        "    handle.is_open = False\n"
        "def test_b():\n    import gc\n    gc.collect()\n"
    )
    # In a process of its own: here pytester remembers every call of a hook, and with it what the calls left open.
    done = suite.pytester.runpytest_subprocess("--faultloop=explore", "--faultloop-runs=20", "-Werror")
    assert done.parseoutcomes() == {"passed": 2}
    assert "left open" not in done.stderr.str()


def test_threads_that_broken_runs_leave_do_not_keep_the_session_from_ending(suite: Suite):
    suite.write(
        "import asyncio, pytest, threading\n"
        "@pytest.mark.asyncio\nasync def test_a():\n"
        "    may_end = threading.Event()\n"
        "    threading.Thread(target=may_end.wait, name='helper').start()\n"
        "    await asyncio.sleep(1)\n"
        "    may_end.set()\n"
    )
    arguments = ("--faultloop=explore", "--faultloop-runs=20")
    done = suite.pytester.runpytest_subprocess(*arguments, timeout=50)
    assert done.ret == 0
    assert "threads of the program had not ended: helper" in done.stderr.str()


def test_a_trio_test_that_is_skipped_in_its_setup_calls_nothing_and_is_skipped(suite: Suite):
    suite.write(
        "import pytest, trio\n@pytest.fixture\ndef no():\n    pytest.skip('no')\n"
        "@pytest.mark.trio\nasync def test_it(no):\n    await trio.sleep(1)\n"
    )
    suite.run("--faultloop=run", skipped=1)
