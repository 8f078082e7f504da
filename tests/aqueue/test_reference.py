"""The reference says what is so."""

import ast
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import aqueue
from aqueue.lifecycle import TABLE

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs" / "05_aqueue.md").read_text(encoding="utf-8")


def test_the_example_of_the_reference_runs(tmp_path: Path):
    (example,) = re.findall(r"^```python\n(.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL)
    connection = sqlite3.connect(tmp_path / "jobs.db")
    connection.execute("CREATE TABLE receipt(order_id INTEGER)")
    connection.close()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "['paid 7', 'paid 13']\n", "")


def test_every_name_the_reference_uses_of_the_package_is_there():
    used = {name for name in re.findall(r"`(?:aqueue\.)?([A-Z][A-Za-z]+)(?:\(|`)", REFERENCE) if name != "None"}
    missing = {name for name in used if not hasattr(aqueue, name) and name != "PrometheusObserver"}
    steps = {step.__name__ for _, step in TABLE}
    assert missing <= steps
    assert len(used) > 20


def test_each_name_of_the_package_is_imported_from_where_type_checkers_see_it():
    tree = ast.parse(Path(aqueue.__file__).read_text(encoding="utf-8"))
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in checked.body if isinstance(node, ast.ImportFrom)]
    seen = {name.name: node.module for node in imports for name in node.names}
    assert {name: home for home, names in aqueue._HOMES.items() for name in names} == seen
    assert sorted(seen) == sorted(aqueue.__all__)
    assert [name for name in aqueue.__all__ if not hasattr(aqueue, name)] == []


def test_the_command_line_answers_before_what_takes_long_is_imported():
    """Ctrl-C while anyio, structlog and their friends are imported was a traceback; and --help took half a second."""
    asked = (
        "import sys, aqueue.cli; aqueue.cli.main(['--help']); print(sorted({'anyio', 'structlog'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.endswith("[]\n")
