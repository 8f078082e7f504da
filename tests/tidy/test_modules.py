"""Size, docstrings, prints and leftovers of the shipped modules."""

from pathlib import Path

import pytest

from tests.tidy import rules
from tests.tidy.conftest import Write
from tests.tidy.project import PACKAGES, ROOT, complaints, files, sources, text, texts, walk

CASES = "benchmarks/bugs/cases/"
"""Programs as users write them, each for releases of its own: not ours to shape."""


def test_modules_and_functions_are_short():
    paths = [path for path in sources(*PACKAGES, "benchmarks", "docs", "examples") if not path.startswith(CASES)]
    assert complaints(rules.oversize, paths) == []


def test_what_is_public_has_a_docstring():
    assert complaints(rules.undocumented, sources("faultloop", "aqueue")) == []


def test_libraries_do_not_print():
    assert complaints(rules.prints, sources(*PACKAGES)) == []


def test_nothing_is_left_lying():
    assert [found for path in texts() for found in rules.leftovers(path, text(path))] == []


def test_no_file_names_a_machine():
    assert [found for path in texts() for found in rules.machine_names(path, text(path))] == []


def test_numbers_and_their_nouns_agree():
    assert complaints(rules.fixed_plurals, sources("faultloop")) == []


def test_the_files_are_found():
    assert {"pyproject.toml", "Makefile", ".ci/run", "tests/tidy/rules.py"} <= set(files())


def test_without_git_the_same_files_are_found(tmp_path: Path):
    """In a folder of the same files, and of others that git ignores, which is no repository."""
    for path in files():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes((ROOT / path).read_bytes() if path == ".gitignore" else b"")
    for path in (
        ".venv/lib/a.py",
        "faultloop/__pycache__/a.py",
        "faultloop.egg-info/PKG-INFO",
        "a/queue.db",
        "a/b.pyc",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "a" / "dist").touch()
    assert sorted(walk(tmp_path)) == sorted([*files(), "a/dist"])


@pytest.mark.parametrize("pattern", ["docs/*.html", "!kept"])
def test_without_git_a_pattern_that_is_not_known_is_refused(tmp_path: Path, pattern: str):
    (tmp_path / ".gitignore").write_text(f"*.pyc\n{pattern}\n")
    with pytest.raises(ValueError, match="only names"):
        list(walk(tmp_path))


# The rules can fail


def test_a_long_module_is_named(write: Write):
    assert rules.oversize(write("aqueue/a.py", "x = 1\n" * rules.LINES_PER_MODULE_MAX)) == []
    assert len(rules.oversize(write("aqueue/a.py", "x = 1\n" * (rules.LINES_PER_MODULE_MAX + 1)))) == 1


def test_a_long_function_is_named_even_as_a_method(write: Write):
    body = "        pass\n" * (rules.LINES_PER_FUNCTION_MAX - 1)
    assert rules.oversize(write("aqueue/a.py", f"class C:\n    async def f():\n{body}")) == []
    found = rules.oversize(write("aqueue/a.py", f"class C:\n    async def f():\n{body}        pass\n"))
    assert found == ["aqueue/a.py:2: f has 61 lines, at most 60"]


def test_a_missing_docstring_is_named(write: Write):
    bare = write("aqueue/a.py", "def f(): ...\nasync def g(): ...\nclass C: ...\ndef _own(): ...\n")
    assert [complaint.split(": ")[1] for complaint in rules.undocumented(bare)] == [
        "the module has no docstring",
        "f has no docstring",
        "g has no docstring",
        "C has no docstring",
    ]
    assert rules.undocumented(write("aqueue/b.py", '"""Said."""\ndef f():\n    """Said."""\n')) == []


def test_a_print_is_named_where_nobody_reads(write: Write):
    source = "def f():\n    print('here')"
    assert rules.prints(write("faultloop/engine/a.py", source)) == ["faultloop/engine/a.py:2: prints"]
    for path in ("faultloop/cli.py", "faultloop/cli/verbs.py", "faultloop/report/text.py", "faultloop/__main__.py"):
        assert rules.prints(write(path, source)) == []


def test_a_plural_that_is_one_behind_a_1_is_named(write: Write):
    source = 'f"{len(a):,} steps of {b} await points, {c} {d} runs"; f"{LIMIT} runs; {e} is 1 of the tasks; {f}s"'
    assert [found.split(": ")[1] for found in rules.fixed_plurals(write("faultloop/a.py", source))] == [
        "«steps of» behind a number",
        "«await points,» behind a number",
        "«runs» behind a number",
    ]


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME"])
def test_a_leftover_is_named(word: str):
    assert len(rules.leftovers("a.py", f"x = 1  # {word}: later")) == 1
    assert rules.leftovers("a.py", f"{word}LIST = methodology") == []


@pytest.mark.parametrize(
    "place",
    [
        "/".join(("", "home", "someone", "x")),
        "/".join(("", "root", "x")),
        "file://" + "/".join(("", "Users", "someone")),
        "/".join(("", "work", "x")),
        "\\".join(("C:", "Users", "someone")),
        "\\\\".join(("C:", "Users", "someone")),
        "https://" + ".".join(("pypi", "org")) + "/simple",
        ".".join(("files", "pythonhosted", "org")),
        ".".join(("registry", "npmjs", "org")),
    ],
)
def test_a_place_on_a_machine_is_named(place: str):
    assert len(rules.machine_names("a.md", f"see\n'{place}'")) == 1


@pytest.mark.parametrize("place", ["src/home/x", "~/home/x", "./home/x", "/tmp/x", "/usr/bin/env"])
def test_other_paths_are_not(place: str):
    assert rules.machine_names("a.md", place) == []
