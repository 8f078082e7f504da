"""`report` and `export`: a trace as a page, or in the format of another tool. They run nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec

from faultloop.cli.arguments import Options
from faultloop.cli.codes import FOUND_NOTHING
from faultloop.cli.console import Console
from faultloop.cli.project import TRACES, command, project_root, shown_path
from faultloop.errors import TraceError
from faultloop.model.trace import Trace
from faultloop.report.chrome import chrome_trace
from faultloop.report.otel import otel_spans
from faultloop.report.page.build import Extras, LinesOf, page
from faultloop.search.coverage import source_text
from faultloop.search.tracefile import load_trace, newest_trace, write_atomically

TRACE_ENDING = ".trace.json"
CALM_ENDING = "-calm.trace.json"
"""What `explore` calls the run that passed, beside the failures it found."""

EXPORT_ENDINGS = {"chrome": ".chrome-trace.json", "otel": ".otel.json"}
"""What an export is called. speedscope takes a file that ends in «.chrome.json» for one of another format."""


def report_verb(options: Options, console: Console) -> int:
    """Write a trace as a page."""
    root = project_root(options.root, options.trace)
    path = Path(options.trace) if options.trace else newest_trace(root / TRACES)
    trace = load_trace(path)
    beside = _calm_beside(path)
    passing = load_trace(options.against) if options.against else load_trace(beside) if beside is not None else None
    place = Path(options.out) if options.out else page_of(path)
    console.deliver(page_text(path, trace, passing=passing, root=root), place)
    console.result({"page": str(place), "trace": str(path), "events": len(trace.events)})
    return FOUND_NOTHING


def page_of(path: Path) -> Path:
    """Where the page of a trace file is written: beside it."""
    return path.with_name(path.name.removesuffix(TRACE_ENDING).removesuffix(".json") + ".html")


def write_page(place: Path, path: Path, trace: Trace, *, passing: Trace | None, root: Path, passes: str = "") -> None:
    """Write the page of a trace."""
    write_atomically(place, page_text(path, trace, passing=passing, root=root, passes=passes))


def page_text(path: Path, trace: Trace, *, passing: Trace | None, root: Path, passes: str = "") -> bytes:
    """The page of a trace. path: where the trace is, for the commands.   passes: what the failure needs."""
    commands = [
        ("run it again, step by step", command("replay", shown_path(path))),
        ("check a fix", command("replay", "--follow", "faults", shown_path(path))),
        ("the events in a terminal", command("show", shown_path(path))),
    ]
    extras = Extras(passes, passing, commands, lines_below(root))
    return page(trace, extras).encode()


def lines_below(root: Path) -> LinesOf:
    """Source lines of files under the root, and of no others: a trace may come from anywhere."""
    known: dict[str, list[str]] = {}

    def lines_of(file: str) -> list[str]:
        if file not in known:
            known[file] = (source_text(root, file) or "").splitlines()
        return known[file]

    return lines_of


def _calm_beside(path: Path) -> Path | None:
    """The passing run that `explore` left beside a failure: pool-calm.trace.json for pool-2.trace.json."""
    stem, _, number = path.name.removesuffix(TRACE_ENDING).rpartition("-")
    calm = path.with_name(stem + CALM_ENDING)
    return calm if number.isdigit() and calm.is_file() else None


def export_verb(options: Options, console: Console) -> int:
    """Write a trace in another tool's format."""
    path = Path(options.trace) if options.trace else newest_trace(project_root("") / TRACES)
    trace = load_trace(path)
    if not trace.events:
        raise TraceError(
            f"{path} keeps no events, only the deviations of its run: replay it with --out to get them.",
            code="FL123",
        )
    made = chrome_trace(trace) if options.format == "chrome" else otel_spans(trace)
    place = Path(options.out) if options.out else _default_place(path, options.format)
    console.deliver(msgspec.json.encode(made) + b"\n", place)
    console.result({"file": str(place), "format": options.format, "events": len(trace.events)})
    return FOUND_NOTHING


def _default_place(path: Path, form: str) -> Path:
    return path.with_name(path.name.removesuffix(TRACE_ENDING).removesuffix(".json") + EXPORT_ENDINGS[form])
