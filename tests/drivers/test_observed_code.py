"""Changed code does what it did: the same results, failures, tracebacks, positions, frames."""

import asyncio
import dis
import inspect
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultloop.drivers.observed.bytecode import read, write
from faultloop.drivers.observed.code import Survey, is_observed, observe
from faultloop.drivers.observed.observing import observed
from faultloop.drivers.touches import record_touches
from tests.drivers import observed_program as program

HERE = program.__name__
SOURCES = sorted(Path(asyncio.__file__).parent.glob("*.py")) + [
    Path(inspect.getfile(module)) for module in (dis, inspect, types, program)
]


def all_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from all_codes(constant)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_code_written_back_unchanged_is_the_same(path: Path):
    for code in all_codes(compile(path.read_bytes(), str(path), "exec")):
        again = write(code, read(code))
        assert again.co_code == code.co_code
        assert again.co_exceptiontable == code.co_exceptiontable
        assert list(again.co_positions()) == list(code.co_positions())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_changed_code_keeps_names_variables_and_the_places_of_what_it_had(path: Path):
    module = types.ModuleType("somewhere")
    for code in all_codes(compile(path.read_bytes(), str(path), "exec")):
        survey = Survey()
        survey.study(code)
        changed = observe(code, survey, module)
        for name in ("co_name", "co_qualname", "co_freevars", "co_cellvars", "co_varnames", "co_names", "co_flags"):
            assert getattr(changed, name) == getattr(code, name)
        assert changed.co_firstlineno == code.co_firstlineno
        own = {entry.positions for entry in dis.get_instructions(code)}
        assert {entry.positions for entry in dis.get_instructions(changed)} == own


def recorded(touches: list[tuple[int, bool]] | None):
    return record_touches(None if touches is None else touches.append)


@pytest.mark.parametrize("is_recording", [False, True], ids=["idle", "recording"])
def test_observed_programs_come_to_the_same(is_recording: bool):
    results, failures = program.state(), program.failures()
    with observed([HERE]):
        assert is_observed(program.containers.__code__)
        touches: list[tuple[int, bool]] = []
        recorded(touches if is_recording else None)
        try:
            assert program.state() == results
            assert program.failures() == failures
        finally:
            recorded(None)
        assert bool(touches) == is_recording
    assert not is_observed(program.containers.__code__)
    assert program.state() == results


def test_a_traceback_of_the_users_own_code_has_the_users_frames_only():
    with observed([HERE]):
        recorded([])
        try:
            told = program.failures()
        finally:
            recorded(None)
    assert len(told) == 10
    assert all("drivers/observed/" not in each and each.count("  File ") >= 2 for each in told)


NAMES = st.sampled_from(["a.x", "a.y", "d['k']", "d[n]", "n", "l[0]", "l[n % 2]"])
READS = st.one_of(
    NAMES, st.integers(0, 9).map(str), st.sampled_from(["len(l)", "d.get('k', 4)", "a.x in l", "sum(l[:1])"])
)
EXPRESSIONS = st.one_of(
    READS,
    st.tuples(READS, st.sampled_from(["+", "-", "*", "and", "or", "<", "=="]), READS).map(" ".join),
    st.tuples(READS, READS, READS).map(lambda parts: f"({parts[0]} if {parts[1]} else {parts[2]})"),
)
SIMPLE = st.one_of(
    st.tuples(NAMES, st.sampled_from(["=", "+=", "-="]), EXPRESSIONS).map(" ".join),
    EXPRESSIONS.map(lambda e: f"l.append({e})"),
    EXPRESSIONS.map(lambda e: f"d.update(k={e}, **{{'z': {e}}})"),
    st.sampled_from(
        ["del d['k']", "del a.y", "l.pop()", "d['m'] += 1", "f()", "del l[0]", "l += [n]", "raise KeyError(n)"]
    ),
)


def indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


STATEMENTS = st.recursive(
    SIMPLE.map(lambda line: [line]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: [line for part in parts for line in part]),
        st.tuples(EXPRESSIONS, inner).map(lambda p: [f"if {p[0]}:", *indented(p[1])]),
        inner.map(lambda body: ["for n in l[:3]:", *indented(body)]),
        st.tuples(inner, inner).map(
            lambda p: [
                "try:",
                *indented(p[0]),
                "except (KeyError, AttributeError) as e:",
                *indented(p[1]),
                "    l.append(str(e))",
            ]
        ),
        st.tuples(inner, inner).map(lambda p: ["try:", *indented(p[0]), "finally:", *indented(p[1])]),
    ),
    max_leaves=8,
)
FRAME = """
class A:
    y = 5
def program():
    a, d, l, n = A(), {{'k': 1}}, [1, 2], 0
    a.x = 3
    def f():
        nonlocal n
        n += 1
        return n
    def body():
        nonlocal l, n
{body}
    try:
        body()
        ended = None
    except Exception as error:
        ended = repr(error), [(at.tb_lineno, at.tb_frame.f_code.co_qualname) for at in tracebacks(error)]
    return a.__dict__, d, l, n, ended
"""


def tracebacks(error: BaseException) -> list[types.TracebackType]:
    found, at = [], error.__traceback__
    while at is not None:
        found.append(at)
        at = at.tb_next
    return found


@given(STATEMENTS)
def test_any_program_comes_to_the_same(statements: list[str]):
    module = types.ModuleType("made_up")
    vars(module)["tracebacks"] = tracebacks
    text = FRAME.format(body="\n".join(indented(indented(statements))))
    exec(compile(text, "made_up.py", "exec"), vars(module))
    program_of: types.FunctionType = vars(module)["program"]
    expected = program_of()
    survey = Survey()
    survey.study(program_of.__code__)
    program_of.__code__ = observe(program_of.__code__, survey, module)
    assert program_of() == expected
    recorded([])
    try:
        assert program_of() == expected
    finally:
        recorded(None)


def test_an_argument_too_wide_for_a_byte_and_a_jump_over_much_stay_right():
    lines = "\n".join(f"        a.x{n} = a.x{n - 1} + {n}" for n in range(1, 400))
    begin = "class A: pass\ndef f(go):\n    a = A()\n    a.x0 = 0\n    while go:"
    text = f"{begin}\n{lines}\n        go -= 1\n    return a.__dict__\n"
    module = types.ModuleType("long")
    exec(text, vars(module))
    function: types.FunctionType = vars(module)["f"]
    expected = function(2), function(0)
    survey = Survey()
    survey.study(function.__code__)
    function.__code__ = observe(function.__code__, survey, module)
    assert (function(2), function(0)) == expected
