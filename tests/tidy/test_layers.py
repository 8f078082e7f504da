"""Imports go one way: faultloop by its layers, and never between the harness and the queue."""

import pytest

from tests.tidy import rules
from tests.tidy.conftest import Write
from tests.tidy.project import PACKAGES, ROOT, complaints, sources


def test_the_packages_are_here():
    # The tests below are parametrised over files: without this one, a missing package would pass them all.
    assert [name for name in PACKAGES if not (ROOT / name / "__init__.py").is_file()] == []
    assert [name for name in PACKAGES if not (ROOT / name / "py.typed").is_file()] == []
    layers = rules.LAYERS[1:]
    assert [name for name in layers if not list((ROOT / "faultloop" / name).glob("*.py"))] == []


def test_imports_point_downwards():
    assert complaints(rules.upward_imports, sources("faultloop")) == []


def test_only_drivers_and_world_know_the_loops():
    assert complaints(rules.loop_imports, sources("faultloop")) == []


def test_no_driver_knows_another():
    assert complaints(rules.driver_imports, sources("faultloop")) == []


def test_the_harness_does_not_know_the_queue():
    assert (
        complaints(lambda module: rules.crossings(module, {"aqueue", "failure_modes", "tests"}), sources("faultloop"))
        == []
    )


def test_the_queue_does_not_know_the_harness():
    assert (
        complaints(lambda module: rules.crossings(module, {"faultloop", "failure_modes", "tests"}), sources("aqueue"))
        == []
    )


# The rules can fail


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("faultloop/model/a.py", "import faultloop.engine.ask"),
        ("faultloop/model/a.py", "from faultloop.engine import ask"),
        ("faultloop/model/a.py", "from ..deciders.calm import Calm"),
        ("faultloop/model/a.py", "def f():\n    from faultloop.report import text"),
        ("faultloop/engine/a.py", "from faultloop import drivers"),
        ("faultloop/drivers/a.py", "if x:\n    pass\nelse:\n    from faultloop.world import net"),
        ("faultloop/errors.py", "from faultloop.model import trace"),
        ("faultloop/report/a.py", "from faultloop import cli"),
        ("faultloop/report/a.py", "import faultloop"),
        ("faultloop/search/a.py", "from .. import run"),
    ],
)
def test_an_import_that_points_upwards_is_named(write: Write, path: str, source: str):
    for name in (*rules.LAYERS[1:], "cli"):
        write(f"faultloop/{name}/__init__.py", "")
    assert len(rules.upward_imports(write(path, source))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("faultloop/model/a.py", "import json\nfrom faultloop import errors\nfrom .points import Site"),
        ("faultloop/drivers/a.py", "from faultloop.engine import ask\nfrom ..model import trace"),
        ("faultloop/cli.py", "import faultloop\nfrom faultloop.report import text"),
        ("faultloop/__init__.py", "from faultloop.search.run import run\nfrom .model.trace import Trace"),
    ],
)
def test_an_import_that_points_downwards_is_not(write: Write, path: str, source: str):
    write("faultloop/errors.py", "")
    assert rules.upward_imports(write(path, source)) == []


def test_a_complaint_names_file_line_and_both_sides(write: Write):
    found = rules.upward_imports(write("faultloop/model/a.py", "import json\nfrom faultloop.engine.ask import Ask\n"))
    assert found == ["faultloop/model/a.py:2: model imports faultloop.engine.ask, which stands above it"]


@pytest.mark.parametrize("source", ["import asyncio", "from asyncio.events import Handle", "def f():\n    import trio"])
def test_a_loop_outside_drivers_and_world_is_named(write: Write, source: str):
    assert len(rules.loop_imports(write("faultloop/engine/a.py", source))) == 1
    assert rules.loop_imports(write("faultloop/drivers/a.py", source)) == []
    assert rules.loop_imports(write("faultloop/world/a.py", source)) == []


def test_a_crossing_is_named_even_inside_a_function(write: Write):
    sinner = write("aqueue/a.py", "def f():\n    from faultloop.model import trace")
    assert len(rules.crossings(sinner, {"faultloop"})) == 1
    assert rules.crossings(sinner, {"trio"}) == []


@pytest.mark.parametrize(
    ("path", "source", "complaints"),
    [
        ("faultloop/drivers/trio/a.py", "from faultloop.drivers.asyncio.run import Facts", 1),
        ("faultloop/drivers/observed/a.py", "def f():\n    from faultloop.drivers.trio import host", 1),
        ("faultloop/drivers/a.py", "import faultloop.drivers.asyncio.loop", 1),
        ("faultloop/drivers/asyncio/a.py", "from faultloop.drivers.asyncio.loop import Loop\nimport asyncio", 0),
        ("faultloop/world/a.py", "from faultloop.drivers.asyncio.loop import Loop", 0),
    ],
)
def test_a_driver_that_another_driver_or_common_code_imports_is_named(
    write: Write, path: str, source: str, complaints: int
):
    assert len(rules.driver_imports(write(path, source))) == complaints
