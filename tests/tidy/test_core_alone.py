"""The core of faultloop imports no library but its codec, and so runs beside any release of all the others."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidy import rules
from tests.tidy.conftest import Write
from tests.tidy.project import ROOT, complaints, sources

BLOCKED = ("anyio", "dask", "distributed", "hypothesis", "pytest", "_pytest", "rich", "sniffio", "structlog", "trio")

PROBE = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)

sys.meta_path.insert(0, Absent())
for name in NAMES:
    importlib.import_module(name)
"""


def import_without(names: list[str], *, root: Path) -> str:
    """Import modules in a Python that has none of the blocked libraries.

    Returns what it said to standard error: empty when all went well.
    """
    probe = f"BLOCKED = {BLOCKED!r}\nNAMES = {names!r}\n{PROBE}"
    done = subprocess.run([sys.executable, "-c", probe], cwd=root, capture_output=True, text=True, timeout=60)
    assert (done.returncode == 0) == (done.stderr == ""), (done.returncode, done.stderr)
    return done.stderr


def core_modules() -> list[str]:
    """All modules of faultloop but those that are named for a library."""
    return [
        path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in sources("faultloop")
        if not path.endswith("__main__.py") and not any(rules.named_for(path, library) for library in BLOCKED)
    ]


def test_the_core_names_nothing_but_the_standard_library_and_msgspec():
    assert complaints(rules.foreign_imports, sources("faultloop")) == []


def test_import_faultloop_without_any_other_library():
    assert import_without(["faultloop"], root=ROOT) == ""


def test_every_module_of_the_core_imports_without_any_other_library():
    assert import_without(core_modules(), root=ROOT) == ""


# The rules can fail


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("faultloop/model/a.py", "import anyio"),
        ("faultloop/model/a.py", "try:\n    import structlog\nexcept ImportError:\n    pass"),
        ("faultloop/drivers/a.py", "def f():\n    import anyio"),
        ("faultloop/drivers/asyncio/loop.py", "import trio"),
        ("faultloop/cli.py", "from rich.table import Table"),
        ("faultloop/cli.py", "class C:\n    import rich"),
        ("faultloop/drivers/a.py", "if 'anyio' in sys.modules:\n    pass\nelse:\n    import anyio"),
        ("faultloop/drivers/a.py", "if 'anyio' not in sys.modules:\n    import anyio"),
    ],
)
def test_a_foreign_import_is_named(write: Write, path: str, source: str):
    assert len(rules.foreign_imports(write(path, source))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("faultloop/model/a.py", "import json, msgspec\nfrom faultloop import errors\nfrom . import points"),
        ("faultloop/model/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import anyio"),
        ("faultloop/cli.py", "def main():\n    from rich.table import Table"),
        ("faultloop/drivers/a.py", "def f():\n    if 'anyio' in sys.modules:\n        import anyio"),
        ("faultloop/drivers/trio/driver.py", "import trio"),
        ("faultloop/pytest_plugin.py", "import pytest\nfrom _pytest.nodes import Node"),
    ],
)
def test_an_import_where_the_library_is_in_use_is_not(write: Write, path: str, source: str):
    assert rules.foreign_imports(write(path, source)) == []


def test_the_probe_sees_an_import_that_no_rule_can_read(write: Write, tmp_path: Path):
    write("hidden.py", "__import__('any' + 'io')")
    assert "anyio is not installed here" in import_without(["hidden"], root=tmp_path)
