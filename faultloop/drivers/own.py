"""Whose code a file is: the user's own, or the standard library's, installed, or this package's.

What is installed is not the user's own, with one exception: a scenario that is itself installed, and what was
installed along with it. It is what the run is about, wherever it lies.
"""

from __future__ import annotations

import functools
import os
import sysconfig
import types
from importlib import metadata
from typing import Any

STDLIB = tuple(
    os.path.join(os.path.realpath(path), "")
    for path in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
)
SITE_MARKS = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
TEST = "__faultloop_test__"
"""Of a scenario that stands for a test: the attribute that holds the test's function."""
_WRAPPERS_MAX = 50
OURS = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "")

_beside: tuple[str, ...] = ()
"""Folders, with a separator at the end, and files, of the distribution that the scenario of this run came with."""
_scenarios_file = ""


def is_user_file(filename: str) -> bool:
    """Whether code of this file is the user's own: not the standard library, not installed, not this package."""
    if filename.startswith("<"):
        return not filename.startswith("<frozen")
    real = os.path.realpath(filename)
    if real.startswith(OURS):
        return False
    if any(mark in real for mark in SITE_MARKS):
        return bool(_beside) and real.startswith(_beside)
    return not real.startswith(STDLIB)


def begin_with(scenario: Any) -> None:
    """Say which scenario the next runs of this process are of."""
    global _beside, _scenarios_file
    file = _file_of(scenario)
    if file != _scenarios_file:
        _scenarios_file, _beside = file, _installed_with(file)


def _file_of(scenario: Any) -> str:
    scenario = _innermost(scenario)
    scenario = scenario if isinstance(scenario, types.FunctionType | types.MethodType) else type(scenario).__call__
    code = getattr(scenario, "__code__", None)
    return code.co_filename if isinstance(code, types.CodeType) else ""


def _innermost(scenario: Any) -> Any:
    """The function that others were put around, by partial, or as `functools.wraps` says."""
    for _ in range(_WRAPPERS_MAX):
        if isinstance(scenario, functools.partial):
            scenario = scenario.func
        elif (inner := getattr(scenario, TEST, None) or getattr(scenario, "__wrapped__", None)) is not None:
            scenario = inner
        else:
            break
    return scenario


@functools.cache
def _installed_with(filename: str) -> tuple[str, ...]:
    """Where the distribution that a file belongs to lies; nowhere, if the file is not installed or is this package's.

    A file that no distribution knows came with the package that it is in.
    """
    real = os.path.realpath(filename)
    mark = next((mark for mark in SITE_MARKS if mark in real), None)
    if mark is None or real.startswith(OURS):
        return ()
    head, _, rest = real.rpartition(mark)
    site, top = head + mark, rest.partition(os.sep)[0]
    for distribution in metadata.distributions(path=[site]):
        parts = [file.parts for file in distribution.files or ()]
        if any(part[0] == top for part in parts):
            return tuple({os.path.join(site, part[0], "") if part[1:] else site + part[0] for part in parts})
    return (os.path.join(site, top, "") if rest != top else real,)
