"""What `make bench` runs is there, takes the arguments that it is given, and what fails is said at the end."""

import os
import platform

import pytest

from benchmarks import tables
from benchmarks.tables import ROOT, TABLES, Table, facts, main, run


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_is_a_script_that_knows_the_arguments_it_gets(table: Table):
    for arguments in filter(None, (table.full, table.quick)):
        script, *rest = arguments.split()
        folder = "benchmarks/queues/measuring.py" if script == "queue.py" else f"benchmarks/{script}"
        source = (ROOT / folder).read_text(encoding="utf-8")
        assert [option for option in rest if option.startswith("--") and f'"{option}"' not in source] == []


def test_every_script_with_a_table_is_among_them():
    scripts = {table.full.split()[0] for table in TABLES}
    others = {"workloads.py", "tables.py"}  # programs, and this one
    assert {path.name for path in (ROOT / "benchmarks").glob("*.py")} - others <= scripts


def test_what_fails_is_told_and_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    bad = Table("bad", "a script that is not there", "is_not_there.py", None)
    good = Table("good", "its own options", "tables.py --list", "tables.py --list --only loop")
    monkeypatch.setattr(tables, "TABLES", (bad, good))
    assert run(bad, None) == "left out: it takes too long"
    monkeypatch.setattr("sys.argv", ["tables.py"])
    assert main() == 1
    told = capfd.readouterr().out.splitlines()
    assert told[-2].startswith("bad          exit 2, ")
    assert told[-1].startswith("good         ")
    assert "exit" not in told[-1]


def test_the_facts_name_the_machine_and_what_is_checked_out():
    told = facts()
    assert "UTC, commit " in told
    assert f"CPython {platform.python_version()}, " in told
    assert f"{os.cpu_count()} cores" in told
