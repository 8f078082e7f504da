"""The grammar of the command line, and nothing about what the commands do."""

from __future__ import annotations

import argparse
import difflib
import functools
from typing import TYPE_CHECKING, NoReturn

from faultloop.errors import UsageError
from faultloop.model.limits import Limits

if TYPE_CHECKING:
    from faultloop.checks.standard import Checks


DRIVERS = ("asyncio", "trio")
VERBS = "run, explore, replay, shrink, show, diff, report, export, coverage, doctor or schema"


class Options(argparse.Namespace):
    """Everything a command line can say, with its types."""

    verb: str | None = None
    json_file: str = ""
    verbose: int = 0
    quiet: bool = False
    may_restart: bool = False
    """Whether this is the whole process, which may start itself again; never set by the command line."""
    root: str = ""
    target: str = ""
    seed: int | None = None
    fault: list[str]
    order: str = "fifo"
    driver: str = "asyncio"
    threads: str = "inline"
    entropy: str = "seeded"
    spare: list[str]
    io: str = "auto"
    limit: list[str]
    check: list[str]
    out: str = ""
    trace: str = ""
    other: str = ""
    against: str = ""
    html: bool = False
    action: str = ""
    data: str = ""
    files: str = "*"
    fail_under: float | None = None
    format: str = "chrome"
    follow: str = "choices"
    allow_import: bool = False
    task: str = ""
    tasks: str = "*"
    faults: str | None = None
    where: str = "*"
    strategy: str = "auto"
    runs: int = 2_000
    time: float | None = None
    depth: int = 2
    first: bool = False
    observe: str = ""
    jobs: int = 1
    executor: str = ""
    address: str = ""
    resume: bool = False
    forget: bool = False
    around: int | None = None
    full: bool = False
    boundary: bool = False


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. See: python -m {self.prog} --help")


def parse(arguments: list[str]) -> Options:
    """Read a command line. Raises UsageError; leaves through SystemExit after --help and --version."""
    options = _parser().parse_args(arguments, namespace=Options(fault=[], limit=[], check=[], spare=[]))
    if options.verb is None:
        raise UsageError(f"name a command: {VERBS}; see faultloop --help")
    return options


def parse_limits(given: list[str]) -> Limits:
    """Read `steps=1000`, `wall_seconds=5`. Raises UsageError."""
    values: dict[str, int | float] = {}
    for text in given:
        name, sign, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if name not in Limits.__struct_fields__ or not sign:
            near = difflib.get_close_matches(name, Limits.__struct_fields__, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            names = ", ".join(Limits.__struct_fields__)
            raise UsageError(f'--limit "{text}": write NAME=NUMBER, where NAME is one of {names}.{hint}')
        try:
            values[name] = float(value) if name.endswith("_seconds") else int(value)
        except ValueError:
            raise UsageError(f'--limit "{text}": {name} needs a number, got "{value}".') from None
    try:
        return Limits(**values)  # type: ignore[arg-type]  # each name decides its own type above
    except ValueError as error:
        raise UsageError(f"--limit: {error}.") from None


def parse_checks(given: list[str]) -> Checks:
    """Read `leaked_tasks=violation`. Raises UsageError."""
    from faultloop.checks.standard import read_checks

    for text in given:
        if "=" not in text:
            raise UsageError(f'--check "{text}": write NAME=WEIGHT, such as leaked_tasks=violation.')
    return read_checks(
        {name.strip().replace("-", "_"): weight.strip() for name, _, weight in (t.partition("=") for t in given)}
    )


@functools.cache
def _parser() -> _Parser:
    parser = _Parser(
        prog="faultloop",
        description="Inject faults into async Python at exact await points, and replay what breaks.",
        epilog="Exit codes: 0 nothing found · 1 a failure found or reproduced · 2 bad usage or unreadable file · "
        "3 diverged, not deterministic, or cannot tell · 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"faultloop {_version()}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=_Parser)
    _add_run(verbs.add_parser("run", help="one run of a scenario, with faults at the addresses you name"))
    _add_explore(verbs.add_parser("explore", help="search a scenario for failures, and shrink what is found"))
    _add_replay(verbs.add_parser("replay", help="run a trace again, and compare"))
    _add_shrink(verbs.add_parser("shrink", help="from a failing trace to the smallest one that fails alike"))
    _add_show(verbs.add_parser("show", help="the events of a trace as a table; runs nothing"))
    _add_diff(verbs.add_parser("diff", help="where two traces first differ; runs nothing"))
    _add_report(verbs.add_parser("report", help="a trace as one self-contained page; runs nothing"))
    _add_export(verbs.add_parser("export", help="a trace for Perfetto or OpenTelemetry; runs nothing"))
    _add_coverage(verbs.add_parser("coverage", help="which awaits were seen, and what was tried there"))
    _add_doctor(verbs.add_parser("doctor", help="run a scenario twice and name the first difference; --boundary"))
    _add_schema(verbs.add_parser("schema", help="the JSON Schema of a trace file"))
    return parser


def _version() -> str:
    from faultloop import __version__

    return __version__


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed < 2**63:
        raise argparse.ArgumentTypeError("a seed is a number from 0 to 2**63 - 1")
    return seed


def _seconds(text: str) -> float:
    seconds = float(text.removesuffix("s"))
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError("expected seconds, more than 0")
    return seconds


def _percent(text: str) -> float:
    percent = float(text.removesuffix("%"))
    if not 0 <= percent <= 100:
        raise argparse.ArgumentTypeError("expected a percentage, from 0 to 100")
    return percent


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", dest="json_file", metavar="FILE", default="", help="result for machines; - is stdout")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="show tracebacks")
    parser.add_argument("-q", "--quiet", action="store_true", help="no text, only the exit code (and --json)")


def _scenario(parser: argparse.ArgumentParser, *, is_needed: bool = True) -> None:
    parser.add_argument(
        "target",
        metavar="TARGET",
        help="path/to/file.py:function or package.module:function",
        nargs=None if is_needed else "?",
        default="",
    )
    parser.add_argument("--root", default="", metavar="DIR", help="the project's root (found from here upwards)")
    parser.add_argument("--threads", choices=("inline", "real", "paced"), default="inline", help="how to_thread is run")
    parser.add_argument(
        "--entropy", choices=("seeded", "real"), default="seeded", help="where random, uuid and the clocks come from"
    )
    parser.add_argument(
        "--spare",
        action="append",
        default=[],
        metavar="MODULE",
        help="leave a module's chance and clocks to the machine",
    )
    parser.add_argument(
        "--io", choices=("auto", "simulated", "loopback", "real"), default="auto", help="which network there is"
    )
    parser.add_argument(
        "--limit", action="append", default=[], metavar="NAME=N", help=", ".join(Limits.__struct_fields__)
    )
    parser.add_argument(
        "--check",
        action="append",
        default=[],
        metavar="NAME=WEIGHT",
        help="what a standard check counts for: violation, note or off (leaked_tasks=violation)",
    )
    _common(parser)


def _add_run(parser: argparse.ArgumentParser) -> None:
    _scenario(parser)
    parser.add_argument("--seed", type=_seed, metavar="N", help="seed of the order choices")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="ADDRESS", help='"cancel worker-2 @ Pool.acquire #1 woken"'
    )
    parser.add_argument("--order", choices=("fifo", "batch", "any"), default="fifo", help="which task goes next")
    parser.add_argument("--driver", choices=DRIVERS, default="asyncio", help="the loop to run on")
    parser.add_argument("--out", default="", metavar="FILE", help="where to write the trace")


def _add_explore(parser: argparse.ArgumentParser) -> None:
    _scenario(parser)
    parser.add_argument("--tasks", default="*", metavar="GLOB", help="only at awaits of these tasks")
    parser.add_argument(
        "--faults",
        metavar="LIST",
        help="cancel,expire,fail:OSError,delay:2s,crash:5s,pause:30s,net:reset (cancel,expire; on nodes crash:1s too)",
    )
    parser.add_argument(
        "--at", dest="where", default="*", metavar="GLOB", help="only at these awaits, by function or awaited"
    )
    parser.add_argument(
        "--strategy",
        default="auto",
        metavar="NAME",
        help="auto: all stages; sweep: single faults; schedules: orders; or one strategy for orders: rff, pct3, dfs, …",
    )
    parser.add_argument(
        "--order",
        choices=("fifo", "batch", "any"),
        default="",
        help="how far orders may go (batch, and any once that has nothing left)",
    )
    parser.add_argument("--driver", choices=(*DRIVERS, "both"), default="asyncio", help="the loop to run on, or both")
    parser.add_argument("-x", "--first", action="store_true", help="stop at the first failure")
    parser.add_argument("--observe", default="", metavar="LIST", help="modules whose state is watched: myapp,db.*")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes that make the runs (1)")
    parser.add_argument("--executor", default="", metavar="NAME", help="who makes the runs instead: dask")
    parser.add_argument("--address", default="", metavar="URL", help="of the executor's scheduler: tcp://HOST:PORT")
    parser.add_argument("--resume", action="store_true", help="go on with an exploration that was interrupted")
    parser.add_argument("--forget", action="store_true", help="do without what strategies learned before")
    parser.add_argument("--depth", type=int, choices=(1, 2), default=2, help="faults in one run, at most")
    parser.add_argument("--runs", type=int, default=2_000, metavar="N", help="stop after this many runs (2000)")
    parser.add_argument("--time", type=_seconds, metavar="SECONDS", help="stop after this much real time")
    parser.add_argument("--seed", type=_seed, metavar="N", help="seed of whatever is drawn (0)")
    parser.add_argument("--out", default="", metavar="DIR", help="where to write traces (.faultloop)")
    parser.add_argument("--html", action="store_true", help="write a page beside each trace")


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", nargs="?", default="", metavar="TRACE", help="a trace file (the newest one)")
    parser.add_argument(
        "--follow",
        choices=("choices", "faults"),
        default="choices",
        help="choices: the same run again; faults: only the faults, to see whether a fix holds",
    )
    parser.add_argument("--root", default="", metavar="DIR", help="the project's root (found from here upwards)")
    parser.add_argument("--allow-import", action="store_true", help="let the trace name code outside the root")
    _common(parser)


def _add_shrink(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", nargs="?", default="", metavar="TRACE", help="a trace file (the newest one)")
    parser.add_argument("--runs", type=int, default=300, metavar="N", help="how many runs to spend at most (300)")
    parser.add_argument("-o", "--out", default="", metavar="FILE", help="where to write it (beside it, as …-small)")
    parser.add_argument("--root", default="", metavar="DIR", help="the project's root (found from here upwards)")
    parser.add_argument("--allow-import", action="store_true", help="let the trace name code outside the root")
    _common(parser)


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", nargs="?", default="", metavar="TRACE", help="a trace file (the newest one)")
    parser.add_argument("--task", default="", metavar="GLOB", help="only events of these tasks")
    parser.add_argument("--around", type=int, metavar="STEP", help="only events near this step")
    parser.add_argument("--full", action="store_true", help="however many events there are")
    _common(parser)


def _add_diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", metavar="A")
    parser.add_argument("other", metavar="B")
    _common(parser)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", nargs="?", default="", metavar="TRACE", help="a trace file (the newest one)")
    parser.add_argument(
        "-o", "--out", default="", metavar="FILE", help="where to write it (beside it, as .html); - is stdout"
    )
    parser.add_argument("--against", default="", metavar="TRACE", help="a run that passed, to compare it with")
    parser.add_argument("--root", default="", metavar="DIR", help="where the sources are (found from here upwards)")
    _common(parser)


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", nargs="?", default="", metavar="TRACE", help="a trace file (the newest one)")
    parser.add_argument("--format", choices=("chrome", "otel"), default="chrome", help="chrome opens in Perfetto")
    parser.add_argument("-o", "--out", default="", metavar="FILE", help="where to write it (beside it); - is stdout")
    _common(parser)


def _add_coverage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("report", "html", "erase"), help="a table, a page, or begin anew")
    parser.add_argument("--data", default="", metavar="FILE", help="what explorations add to")
    parser.add_argument("--files", default="*", metavar="GLOB", help="only these files: 'myapp/*'")
    parser.add_argument(
        "--fail-under", type=_percent, metavar="N", help="exit with 1 if less than N percent was tried of what could be"
    )
    parser.add_argument(
        "-o", "--out", default="", metavar="FILE", help="where html goes (beside the data); - is stdout"
    )
    parser.add_argument("--root", default="", metavar="DIR", help="where the sources are (found from here upwards)")
    _common(parser)


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    _scenario(parser, is_needed=False)
    parser.add_argument(
        "--boundary", action="store_true", help="list what a run controls, runs inline, lets through and refuses"
    )
    parser.add_argument("--driver", choices=DRIVERS, default="asyncio", help="the loop to run on")


def _add_schema(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--out", default="", metavar="FILE", help="write it there, not to stdout")
    _common(parser)
