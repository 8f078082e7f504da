"""Every finding in a released queue is whole: a module, its failure mode, a release that is pinned and named there."""

import ast

import pytest

from failure_modes.catalogue import find
from failure_modes.released.findings import FINDINGS, Finding
from faultloop.model.address import parse_fault
from tests.tidy import rules
from tests.tidy.project import files, module
from tests.tidy.test_distribution import RELEASED_CONSTRAINTS, canonical, pins

FOLDER = "failure_modes/released/"
OURS = ("findings", "proof")
each_finding = pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.name)


@each_finding
def test_it_has_a_scenario_and_a_control(finding: Finding):
    defined = [node.name for node in module(finding.path).tree.body if isinstance(node, ast.AsyncFunctionDef)]
    assert {"scenario", "control"} <= set(defined)


@each_finding
def test_its_release_is_the_one_that_is_pinned(finding: Finding):
    assert pins(RELEASED_CONSTRAINTS)[canonical(finding.library)] == finding.version


@each_finding
def test_its_failure_mode_tells_of_it(finding: Finding):
    told = find(finding.mode).spec().sections["where it happened"]
    assert f"{finding.library} {finding.version}" in " ".join(told.split())


@each_finding
def test_its_address_is_as_it_would_be_written(finding: Finding):
    assert str(parse_fault(finding.fault)) == finding.fault


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in files()
        if path.startswith(FOLDER) and path.endswith(".py") and path[len(FOLDER) : -3] not in OURS
    ],
)
def test_a_scenario_knows_nothing_of_faultloop_but_machines(path: str):
    known = {found.target for found in rules.imports(module(path)) if found.target.split(".")[0] == "faultloop"}
    assert known <= {"faultloop.world"}
