"""What a test is to be run with: from the command line, its mark, ini keys and [tool.faultloop], in this order.

Nothing here imports more than the standard library and pytest: it is read in every session.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

import pytest

PREFIX = "--faultloop"
MODES = ("off", "run", "explore")
Mode = Literal["run", "explore", "replay"]
ORDERS = ("fifo", "batch", "any")
THREADS = ("inline", "real", "paced")
PAGES = ("failed", "never")
RUNS, SECONDS = 2_000, 10.0
"""What one test's exploration may spend, unless it is said otherwise."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What one test is to be run with.

    order: None is the usual.   seed: None derives it from the test's name.   threads: how their work is done; empty is
    `paced` for the calm run, whose verdict must be that of plain pytest, and `inline` for the search.
    directory: where traces go.   html: whether each gets a page beside it.
    """

    mode: Mode = "run"
    runs: int = RUNS
    time: float = SECONDS
    seed: int | None = None
    order: str | None = None
    faults: tuple[str, ...] = ("cancel", "expire")
    strategy: str = "auto"
    tasks: str = "*"
    where: str = "*"
    observe: tuple[str, ...] = ()
    threads: str = ""
    directory: str = ""
    html: bool = False
    split: int = 1
    jobs: int = 1


@dataclass(frozen=True, slots=True)
class Option:
    """An option as it is named on the command line. field: of `Ask`.   read: makes a value of text, or ValueError."""

    name: str
    field: str
    metavar: str
    help: str
    read: Callable[[str], object]
    expected: str
    explores: bool = True
    """Whether a mark that gives it asks for an exploration by that."""


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def _seed(text: str) -> int:
    if not 0 <= (number := int(text)) < 2**63:
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    unit = 60 if text.endswith("m") else 1
    if not 0 < (number := float(text.rstrip("sm")) * unit) < 1e9:
        raise ValueError(text)
    return number


def _order(text: str) -> str:
    if text not in ORDERS:
        raise ValueError(text)
    return text


class _Refused(ValueError):
    """What the search says of a value: a sentence and its code."""


def _strategy(text: str) -> str:
    from faultloop.search.asked import require_strategy

    _searchable(require_strategy, text)
    return text


def _faults(text: str) -> tuple[str, ...]:
    from faultloop.search.asked import require_faults

    names = _listed(text)
    _searchable(require_faults, names)
    return names


def _searchable(require: Callable[[Any], None], value: object) -> None:
    from faultloop.errors import FaultloopError

    try:
        require(value)
    except FaultloopError as error:
        raise _Refused(error.args[0], error.code) from None


def _some(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _pages(text: str) -> bool:
    if text not in PAGES:
        raise ValueError(text)
    return text == "failed"


def _threads(text: str) -> str:
    if text not in THREADS:
        raise ValueError(text)
    return text


def _listed(text: str) -> tuple[str, ...]:
    """`none` is none at all."""
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise ValueError(text)
    return () if names == ("none",) else names


OPTIONS = (
    Option("runs", "runs", "N", f"stop after this many runs of one test ({RUNS})", _count, "a number from 1"),
    Option(
        "time", "time", "SECONDS", f"stop after this much real time for one test ({SECONDS:g})", _seconds, "20s, 2m"
    ),
    Option(
        "seed", "seed", "N", "of all that is drawn; without it, from the test's name", _seed, "0 to 2**63 - 1", False
    ),
    Option("order", "order", "LEVEL", "how far tasks may overtake: fifo, batch, any", _order, "fifo, batch or any"),
    Option(
        "faults", "faults", "LIST", "cancel,expire,fail:OSError,delay:2s,net:reset", _faults, "cancel,expire or none"
    ),
    Option("strategy", "strategy", "NAME", "auto, sweep, schedules, or one for orders", _strategy, "auto"),
    Option("tasks", "tasks", "GLOB", "only at awaits of these tasks", _some, "a pattern"),
    Option("at", "where", "GLOB", "only at these awaits", _some, "a pattern"),
    Option("observe", "observe", "LIST", "modules whose state is watched", _listed, "modules"),
    Option("threads", "threads", "MODE", "how work for threads is done", _threads, "inline, real or paced", False),
    Option("dir", "directory", "DIR", "where traces go (.faultloop beside the root)", _some, "a folder", False),
    Option("html", "html", "WHEN", "a page beside each trace: failed or never", _pages, "failed or never", False),
    Option(
        "split", "split", "K", "make K tests of each, with seeds of their own, for xdist", _count, "a number from 1"
    ),
    Option("jobs", "jobs", "N", "processes for one test: only 1, see --faultloop-split", _count, "a number from 1"),
)
_BY_NAME = {option.name: option for option in OPTIONS}


def complain(sentence: str, code: str) -> pytest.UsageError:
    """An error of whoever typed it, as everywhere in faultloop."""
    return pytest.UsageError(f"faultloop: {sentence} [{code}]")


def is_on(config: pytest.Config) -> bool:
    """Whether tests are to be run that bear no mark. Raises UsageError for options that cannot be."""
    given = _given(config)
    mode = _mode(config)
    trace = config.getoption("faultloop_trace")
    if trace == "":
        raise complain("--faultloop-trace: expected a file, got nothing", "FL804")
    is_asked = mode in ("run", "explore") or (trace is not None and mode != "off")
    for name, (value, place) in given.items():
        if is_asked or name in ("split", "jobs"):
            read(name, value, place)
    return is_asked


def require_known(arguments: Sequence[str]) -> None:
    """Raises UsageError for an option of ours that does not exist; the parser would not say which ones there are."""
    for argument in arguments:
        name = argument.partition("=")[0].removeprefix(f"{PREFIX}-")
        if argument.startswith(f"{PREFIX}-") and name not in ("trace", *_BY_NAME):
            raise complain(f"there is no option {_unknown(name, ('trace', *_BY_NAME), before=PREFIX + '-')}", "FL804")


def typed(config: pytest.Config) -> list[str]:
    """The options of ours that somebody typed, other than the mode: not those in a file."""
    return [
        name
        for name in (argument.partition("=")[0] for argument in config.invocation_params.args)
        if name.startswith(f"{PREFIX}-")
    ]


def _mode(config: pytest.Config) -> str | None:
    mode = config.getoption("faultloop") or config.getini("faultloop") or _table(config).get("mode")
    if mode is not None and mode not in MODES:
        raise complain(f'--faultloop is one of {", ".join(MODES)}, not "{mode}"', "FL804")
    return cast("str | None", mode)


def _given(config: pytest.Config) -> dict[str, tuple[object, str]]:
    """What was given for all tests, with what it was called where it was given."""
    found: dict[str, tuple[object, str]] = {}
    for name, value in _table(config).items():
        if name != "mode":
            found[name] = (value, f"[tool.faultloop] {name}")
    for option in OPTIONS:
        if (value := config.getini(f"faultloop_{option.name}")) not in (None, ""):
            found[option.name] = (value, f"faultloop_{option.name}")
        if (value := config.getoption(f"faultloop_{option.name}")) is not None:
            found[option.name] = (value, f"--faultloop-{option.name}")
    return found


_TABLE = pytest.StashKey[dict[str, object]]()


def _table(config: pytest.Config) -> dict[str, object]:
    """`[tool.faultloop]` of the project's pyproject.toml."""
    path = config.rootpath / "pyproject.toml"
    if _TABLE not in config.stash:
        table: dict[str, object] = {}
        if path.is_file() and "tool.faultloop" in (text := path.read_text(encoding="utf-8")):
            import tomllib

            table = dict(tomllib.loads(text).get("tool", {}).get("faultloop", {}))
        for name in table:
            if name != "mode" and name not in _BY_NAME:
                raise complain(f"[tool.faultloop] has no key {_unknown(name, ('mode', *_BY_NAME))}", "FL804")
        config.stash[_TABLE] = table
    return config.stash[_TABLE]


def read(name: str, value: object, place: str) -> object:
    """The value of an option as it is meant. place: how it was called where it stands. Raises UsageError."""
    option = _BY_NAME[name]
    text = ",".join(map(str, cast("list[object]", value))) if isinstance(value, list | tuple) else str(value)
    try:
        meant = option.read(text)
    except _Refused as error:
        raise complain(f"{place}: {error.args[0]}", error.args[1]) from None
    except ValueError:
        raise complain(f'{place}: expected {option.expected}, got "{text}"', "FL804") from None
    if name == "jobs" and meant != 1:
        raise complain(
            f"{place}: a test's fixtures live in one process, so its runs do too. Use pytest-xdist to spread tests, "
            "and --faultloop-split to spread one test",
            "FL807",
        )
    return meant


def ask_for(item: pytest.Item, mark: Mapping[str, object] | None) -> Ask:
    """What this test is run with. mark: what its mark says; None if it bears none. Raises UsageError."""
    config = item.config
    command = {name: row for name, row in _given(config).items() if row[1].startswith("--")}
    files = {name: row for name, row in _given(config).items() if not row[1].startswith("--")}
    marked = {name: (value, f"{item.nodeid}: mark {name}") for name, value in (mark or {}).items() if name != "mode"}
    values: dict[str, Any] = {
        _BY_NAME[name].field: read(name, *row) for name, row in {**files, **marked, **command}.items()
    }
    mode: str | None = config.getoption("faultloop")
    if mode is None and mark is not None:
        implied = "explore" if any(_BY_NAME[name].explores for name in marked) else "run"
        mode = cast("str | None", mark.get("mode")) or implied
        if mode == "run" and implied == "explore":
            names = ", ".join(name for name in marked if _BY_NAME[name].explores)
            raise complain(f'{item.nodeid}: the mark asks for mode="run", and gives {names} for exploring', "FL806")
    mode = mode or _mode(config) or "run"
    return Ask(mode=cast("Mode", mode), **values)


def mark_of(item: pytest.Item) -> dict[str, object] | None:
    """What the nearest mark says; None if there is none. Raises UsageError for what it cannot say."""
    marker = item.get_closest_marker("faultloop")
    if marker is None:
        return None
    said: dict[str, object] = dict(marker.kwargs)
    if len(marker.args) > 1 or (marker.args and "mode" in said):
        raise complain(f"{item.nodeid}: mark.faultloop takes a mode and named options", "FL804")
    if marker.args:
        said["mode"] = marker.args[0]
    for name in said:
        if name not in _BY_NAME and name != "mode":
            raise complain(
                f"{item.nodeid}: mark.faultloop has no option {_unknown(name, ('mode', *_BY_NAME))}", "FL804"
            )
    if said.get("mode", "run") not in MODES[1:]:
        raise complain(f'{item.nodeid}: mark.faultloop\'s mode is run or explore, not "{said["mode"]}"', "FL804")
    return said


def _unknown(name: str, known: tuple[str, ...], *, before: str = "") -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f'"{before}{name}"' + (f"; did you mean {before}{near[0]}?" if near else f"; there are {', '.join(known)}")


assert {option.field for option in OPTIONS} == {field.name for field in fields(Ask)} - {"mode"}
