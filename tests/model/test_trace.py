"""The trace: what is encoded decodes to the same, and its digest depends on what the run did and on nothing else."""

import pickle

import msgspec
import pytest
from hypothesis import given

from faultloop.model.address import parse_kind
from faultloop.model.faults import Fail, PlannedFault
from faultloop.model.limits import Limits
from faultloop.model.outcome import Outcome, Status
from faultloop.model.trace import Choices, Environment, Trace, digest_of
from tests.model.strategies import PROPERTY, planned_faults, traces


def digest(trace: Trace) -> str:
    said = (trace.choices, trace.faults, trace.tasks, trace.sites, trace.events)
    return digest_of(*said, trace.outcome.status.value)


@PROPERTY
@given(traces())
def test_what_is_encoded_decodes_to_the_same(trace: Trace):
    assert msgspec.json.decode(msgspec.json.encode(trace), type=Trace) == trace


@PROPERTY
@given(traces())
def test_the_digest_outlives_the_file(trace: Trace):
    assert digest(msgspec.json.decode(msgspec.json.encode(trace), type=Trace)) == digest(trace)


@PROPERTY
@given(traces())
def test_lines_and_files_are_outside_the_digest(trace: Trace):
    moved = tuple(msgspec.structs.replace(site, line=site.line + 7, file="other.py") for site in trace.sites)
    assert digest(msgspec.structs.replace(trace, sites=moved)) == digest(trace)


@PROPERTY
@given(traces())
def test_an_event_more_is_another_digest(trace: Trace):
    shorter = msgspec.structs.replace(trace, events=trace.events[:-1])
    assert trace.events == () or digest(shorter) != digest(trace)


def test_the_digest_is_the_same_on_every_machine_and_version():
    empty = Trace(env=Environment(python="3.11"), outcome=Outcome(Status.PASSED))
    assert digest(empty) == "sha256:342375db357c8c8fa50a898d71650dfae7a343595a915a4d3d42102d6bb6a9fc"


@pytest.mark.parametrize("picks", [((0, 0, 2),), ((0, 2, 2),), ((5, 1, 2),), ((1, 1, 2), (1, 1, 2)), ((-1, 1, 2),)])
def test_picks_out_of_order_or_range_are_refused(picks: tuple[tuple[int, int, int], ...]):
    with pytest.raises(ValueError, match="out of order or out of range"):
        Choices(count=5, picks=picks)


@pytest.mark.parametrize("name", Limits.__struct_fields__)
def test_a_limit_of_nothing_is_refused(name: str):
    with pytest.raises(ValueError, match=f"limit {name} must be more than 0"):
        Limits(**{name: 0})


def test_equal_faults_are_encoded_alike_however_they_were_made():
    written = Fail("OSError", " ".join(("injected", "by", "faultloop")))  # an equal string, and another object
    assert msgspec.json.encode(written) == msgspec.json.encode(parse_kind("fail:OSError"))
    decoded = msgspec.json.decode(b'{"kind":"fail","error":"OSError","message":"injected by faultloop"}', type=Fail)
    assert msgspec.json.encode(decoded) == msgspec.json.encode(written)


@PROPERTY
@given(planned_faults())
def test_a_fault_that_comes_from_another_process_is_written_alike(fault: PlannedFault):
    assert msgspec.json.encode(pickle.loads(pickle.dumps(fault))) == msgspec.json.encode(fault)
