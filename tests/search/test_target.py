"""Targets: what is found, what it is called, what is refused, and that nothing is imported before it is allowed."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from faultloop.errors import ImportRefused, TargetError
from faultloop.search.target import find_root, fingerprint, load_target, relative_ref

SCENARIO = "async def main():\n    return __name__\n"


class Put(Protocol):
    """Writes a file of the project."""

    def __call__(self, path: str, text: str = SCENARIO) -> Path: ...


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A project; modules and paths that loading adds are taken away again."""
    modules, paths = set(sys.modules), list(sys.path)
    (tmp_path / "project" / ".git").mkdir(parents=True)
    yield tmp_path / "project"
    sys.path[:] = paths
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def put(root: Path) -> Put:
    """Write a file of the project."""

    def write(path: str, text: str = SCENARIO) -> Path:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write


def returned(scenario: Callable[[], object]) -> object:
    """What an async function returns that waits for nothing."""
    running = scenario()
    with pytest.raises(StopIteration) as done:
        running.send(None)  # type: ignore[attr-defined]
    return done.value.value


def refusal(ref: str, root: Path, *, confined: bool = False) -> TargetError:
    before = set(sys.modules)
    with pytest.raises(TargetError) as caught:
        load_target(ref, root=root, confined=confined)
    assert not confined or set(sys.modules) == before
    return caught.value


# Found


@pytest.mark.parametrize("confined", [False, True])
def test_a_file_is_imported_by_its_stem_with_its_folder_on_the_path(root: Path, put: Put, confined: bool):
    put("jobs/helper_of_scenario.py", "VALUE = 41")
    put("jobs/scene_a.py", "from helper_of_scenario import VALUE\nasync def main():\n    return __name__, VALUE + 1\n")
    assert returned(load_target("jobs/scene_a.py:main", root=root, confined=confined)) == ("scene_a", 42)
    assert str(root / "jobs") in sys.path


@pytest.mark.parametrize("confined", [False, True])
def test_a_file_in_a_package_may_import_relatively(root: Path, put: Put, confined: bool):
    put("lib/pkg_b/__init__.py", "NAME = 'b'")
    put("lib/pkg_b/inner/__init__.py", "")
    put("lib/pkg_b/inner/scene.py", "from .. import NAME\nasync def main():\n    return __name__, NAME\n")
    scenario = load_target("lib/pkg_b/inner/scene.py:main", root=root, confined=confined)
    assert returned(scenario) == ("pkg_b.inner.scene", "b")


@pytest.mark.parametrize("confined", [False, True])
@pytest.mark.parametrize("folder", ["", "src/"])
def test_a_module_is_found_under_the_root_and_under_src(root: Path, put: Put, folder: str, confined: bool):
    put(f"{folder}pkg_c/__init__.py", "")
    put(f"{folder}pkg_c/scene.py")
    assert returned(load_target("pkg_c.scene:main", root=root, confined=confined)) == "pkg_c.scene"


def test_a_package_without_init_is_a_package_too(root: Path, put: Put):
    put("space_d/scene.py", "from space_d.other import VALUE\nasync def main():\n    return VALUE\n")
    put("space_d/other.py", "VALUE = 4")
    assert returned(load_target("space_d.scene:main", root=root, confined=True)) == 4


def test_an_installed_module_is_found_unless_a_trace_names_it(root: Path):
    assert "there is no function" in str(refusal("email.message:main", root))
    assert refusal("email.message:main", root, confined=True).code == "FL106"


def test_a_file_named_like_a_module_in_use_does_not_stand_in_for_it(root: Path, put: Put):
    import queue

    put("queue.py")
    assert returned(load_target("queue.py:main", root=root)) == "faultloop_target_queue"
    assert sys.modules["queue"] is queue


def test_a_name_that_python_could_not_import_is_fine_for_a_file(root: Path, put: Put):
    put("01-my scene.py")
    assert returned(load_target("01-my scene.py:main", root=root)) == "01_my_scene"


def test_a_file_is_executed_once(root: Path, put: Put):
    put("scene_e.py", "async def main(): ...\nasync def other(): ...\nOBJECT = object()")
    load_target("scene_e.py:main", root=root)
    first = sys.modules["scene_e"]
    load_target("scene_e.py:other", root=root)
    assert sys.modules["scene_e"] is first


def test_partials_wrappers_and_callable_objects_are_async_functions(root: Path, put: Put):
    put(
        "scene_f.py",
        "import functools\n"
        "async def add(a, b): return a + b\n"
        "partial = functools.partial(add, 1, b=2)\n"
        "@functools.wraps(add)\n"
        "def wrapped(): return add(1, 2)\n"
        "wrapped.__signature__ = __import__('inspect').Signature()\n"
        "class Scene:\n"
        "    async def __call__(self, a=1): return 3\n"
        "scene = Scene()\n",
    )
    for name in ("partial", "wrapped", "scene"):
        assert returned(load_target(f"scene_f.py:{name}", root=root)) == 3


# Not found, not callable


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("none.py:main", "there is no such file in"),
        ("jobs:main", "there is no module"),
        ("folder/:main", "is a directory"),
        ("./notes.txt:main", "is not a Python file"),
        ("good.py:mian", 'there is no function "mian". Did you mean "main"? Its async functions: main, other'),
        ("good.py:xyz", "Its async functions: main, other"),
        ("good.py:main()", "name the function, do not call it: main, not main()"),
        ("good.py:plain", "is not async. Write it as: async def plain()"),
        ("good.py:VALUE", "is of type int, not an async function"),
        ("good.py:Class", "is a class, not an async function"),
        ("good.py:generator", "is an async generator"),
        ("good.py:needy", "needs a, c; a scenario takes no arguments"),
        ("test_it.py::test_pool", "If they are fixtures, it is pytest that makes them. Explore it there: "),
        ("test_it.py:test_pool", "pytest --faultloop=explore test_it.py::test_pool"),
        ("test_it.py::TestPool::test_it", "pytest --faultloop=explore test_it.py::TestPool::test_it"),
        ("test_it.py::test_it[a b]", "pytest --faultloop=explore 'test_it.py::test_it[a b]'"),
        ("called.py:main", "already called: pass main, not main()"),
        ("none_async.py:main", "It has no async function"),
        ("good.py", "names no function. It has main, other, generator, needy: write good.py:main"),
        ("none_async.py", "names no function. It has no async function"),
        ("none.py", "is not a target"),
        ("good.py:", "is not a target"),
        (":main", "is not a target"),
        ("", "is not a target"),
        ("good.py:a b", "is not a target"),
        (
            "good.py:Pool.acquire",
            "acquire is inside Pool, and a scenario is a function of its file. Write an async function",
        ),
        ("a-b.c:main", "is neither a file nor the name of a module"),
        ("x\0y.py:main", "a path cannot hold a NUL"),
        ("raises.py:main", "fails when it is imported: ValueError: no luck (line 2 of"),
        ("wrong.py:main", "fails when it is imported: SyntaxError"),
        ("leaves.py:main", "calls sys.exit when it is imported"),
        ("needs.py:main", "fails when it is imported: ModuleNotFoundError: No module named 'surely_not_here'"),
        ("raises_oddly.py:main", "fails when it is imported: Odd: (its message cannot be made)"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_a_sentence(root: Path, put: Put, ref: str, said: str):
    (root / "folder").mkdir()
    put("notes.txt", "x")
    put("called.py", "async def scene(): ...\nmain = scene()")
    put("test_it.py", "async def test_pool(pool): ...")
    put("none_async.py", "def plain(): ...")
    put("raises.py", "x = 1\nraise ValueError('no\\n luck')")
    put("wrong.py", "async def main(:")
    put("leaves.py", "import sys; sys.exit(3)")
    put("needs.py", "import surely_not_here")
    put("raises_oddly.py", "class Odd(Exception):\n    def __str__(self): raise KeyError\nraise Odd")
    put(
        "good.py",
        "async def main(): ...\nasync def other(): ...\nasync def needy(a, b=1, *, c, **d): ...\n"
        "def plain(): ...\nVALUE = 1\nclass Class: ...\nasync def generator(): yield 1\n",
    )
    error = refusal(ref, root)
    assert said in str(error)
    assert error.code == "FL104"
    assert "\n" not in str(error)


def test_a_module_that_failed_is_not_left_half_imported(root: Path, put: Put):
    put("half.py", "async def main(): ...\nraise ValueError")
    refusal("half.py:main", root)
    assert "half" not in sys.modules


def test_an_interrupt_during_the_import_is_no_error_of_the_target(root: Path, put: Put):
    put("slow.py", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_target("slow.py:main", root=root)


def test_a_message_shows_no_control_characters(root: Path):
    assert "\x1b" not in str(refusal("\x1b[31mred.py:main", root))
    assert len(str(refusal("x" * 100_000 + ".py:main", root))) < 1_000


# Confined: named by a trace


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file beside the project that tells when it is executed."""
    file = tmp_path / "outside" / "evil.py"
    file.parent.mkdir()
    file.write_text("raise SystemError('executed')\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "ref",
    [
        "../outside/evil.py:main",
        "jobs/../../outside/evil.py:main",
        "jobs/../scene.py:main",
        "{outside}:main",
        "~/evil.py:main",
        "..\\outside\\evil.py:main",
        "C:\\outside\\evil.py:main",
        "C:/outside/evil.py:main",
        "//server/share/evil.py:main",
        "\\\\server\\share\\evil.py:main",
        "link/evil.py:main",
        "evil_link.py:main",
        "evil_link:main",
        "link.evil:main",
        "linked_init.scene:main",
        "jobs/scene.py\0.py:main",
        ".venv/evil.py:main",
        "env/site-packages/evil.py:main",
        "os:main",
        "os.path:main",
        "importlib.util:main",
        "sys:main",
        "antigravity:main",
    ],
)
def test_a_trace_cannot_name_what_is_outside_the_root(root: Path, put: Put, outside: Path, ref: str):
    put("scene.py")
    put("jobs/scene.py")
    put("env/site-packages/evil.py", "raise SystemError('executed')")
    put(".venv/evil.py", "raise SystemError('executed')")
    (root / "link").symlink_to(outside.parent)
    (root / "evil_link.py").symlink_to(outside)
    put("linked_init/scene.py")
    (root / "linked_init" / "__init__.py").symlink_to(outside)
    error = refusal(ref.replace("{outside}", str(outside)), root, confined=True)
    assert isinstance(error, ImportRefused)
    assert error.code == "FL106"
    assert "nothing was imported" in str(error)


def test_a_module_that_is_already_there_from_elsewhere_is_not_run_for_a_trace(root: Path, put: Put):
    put("email/message.py")
    assert "already taken by another file" in str(refusal("email.message:main", root, confined=True))


def test_a_root_that_is_a_link_is_still_a_root(root: Path, put: Put, tmp_path: Path):
    put("scene_g.py")
    (tmp_path / "linked").symlink_to(root)
    assert returned(load_target("scene_g.py:main", root=tmp_path / "linked", confined=True)) == "scene_g"


def test_a_link_that_stays_inside_is_followed(root: Path, put: Put):
    put("deep/scene_h.py")
    (root / "short.py").symlink_to(root / "deep" / "scene_h.py")
    assert returned(load_target("short.py:main", root=root, confined=True)) == "scene_h"


def test_what_a_module_makes_up_on_demand_is_not_run(root: Path, put: Put):
    put("scene_i.py", "def __getattr__(name):\n    async def made(): ...\n    return made\n")
    with pytest.raises(TargetError, match="there is no function"):
        load_target("scene_i.py:main", root=root, confined=True)


# Names and roots


def test_the_root_is_the_nearest_mark_upwards(tmp_path: Path):
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "pyproject.toml").touch()
    assert find_root(tmp_path / "a" / "b" / "c") == tmp_path / "a"
    (tmp_path / "a" / "b" / "setup.cfg").touch()
    assert find_root(tmp_path / "a" / "b" / "c") == tmp_path / "a" / "b"


@pytest.mark.parametrize("mark", ["pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "tox.ini"])
def test_what_marks_a_root_for_pytest_marks_it(tmp_path: Path, mark: str):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / mark).touch()
    assert find_root(tmp_path / "a" / "b") == tmp_path / "a"


def test_without_a_mark_the_root_is_the_folder_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("faultloop.search.place.ROOT_MARKS", ("no such mark",))
    assert find_root(tmp_path) == tmp_path


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("scene.py:main", "jobs/scene.py:main"),
        ("./scene.py:main", "jobs/scene.py:main"),
        ("../top.py:main", "top.py:main"),
        ("scene.py::main", "jobs/scene.py:main"),
        ("scene:main", "jobs/scene.py:main"),
        ("top:main", "top:main"),
        ("email.message:main", "email.message:main"),
        ("scene.py", "jobs/scene.py"),
    ],
)
def test_a_target_is_kept_relative_to_the_root(root: Path, put: Put, given: str, kept: str):
    put("top.py")
    put("jobs/scene.py")
    assert relative_ref(given, cwd=root / "jobs", root=root) == kept


def test_a_file_outside_the_root_is_kept_absolute(root: Path, outside: Path):
    ref = relative_ref(os.path.relpath(outside, root) + ":main", cwd=root, root=root)
    assert ref == f"{outside}:main"


def test_the_fingerprint_is_that_of_the_source(root: Path, put: Put):
    put("scene.py", "x")
    assert fingerprint("scene.py:main", root=root) == (
        "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    )
    assert fingerprint("scene:main", root=root) == fingerprint("scene.py:main", root=root)
    assert [fingerprint(ref, root=root) for ref in ("none.py:main", "email:main", "nonsense", "")] == [""] * 4
