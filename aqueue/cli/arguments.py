"""The grammar of the command line, and nothing about what the commands do."""

from __future__ import annotations

import argparse
import functools
import math
import os
from typing import NoReturn

from aqueue.errors import BadCommand

__all__ = ["STORE_VARIABLE", "VERBS", "Options", "parse"]

VERBS = "work, ps, show, stats, dead, cancel, cron, check, repair or spread"
STORE_VARIABLE = "AQUEUE_STORE"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class Options(argparse.Namespace):
    """Everything a command line can say, with its types. Times are seconds."""

    verb: str | None = None
    action: str | None = None
    json: bool = False
    verbose: bool = False
    store: str = ""
    target: str = ""
    concurrency: int = 10
    backend: str = "asyncio"
    drain: float = 30.0
    bury_unknown: bool = False
    job: int = 0
    jobs: list[int]
    every: bool = False
    task: str = ""
    limit: int = 100
    rate: float | None = None
    force: bool = False
    undo: bool = False
    yes: bool = False
    name: str = ""
    window: float = 3600.0
    grace: float = 300.0
    dry_run: bool = False
    run_horizon: float = 366 * 86_400.0
    lease_horizon: float = 3600.0
    over: float = 600.0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadCommand(message, expected=f"a command line as in {self.prog} --help", advice="correct it")


def parse(arguments: list[str]) -> Options:
    """Read a command line. Raises BadCommand; leaves through SystemExit after --help and --version."""
    options = _parser().parse_args(arguments, namespace=Options(jobs=[]))
    if options.verb is None:
        raise BadCommand("no command was named", expected=VERBS, advice="see aqueue --help")
    if options.verb == "work":
        return options
    options.store = options.store or os.environ.get(STORE_VARIABLE, "")
    if not options.store:
        raise BadCommand(
            f"{options.verb} was not told which store",
            expected="--store sqlite:///jobs.db, or --store app:q",
            advice=f"name it, or set {STORE_VARIABLE}",
        )
    return options


def _seconds(text: str) -> float:
    unit = next((unit for unit in sorted(_UNITS, key=len, reverse=True) if text.endswith(unit)), "")
    try:
        seconds = float(text.removesuffix(unit)) * _UNITS[unit or "s"]
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < 1e11:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 30, 30s, 5m, 2h or 1d")
    return seconds


def _rate(text: str) -> float:
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError:
        rate = math.nan
    if not 0 < rate < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate; write 10/s")
    return rate


def _count(text: str) -> int:
    count = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < count < 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return count


@functools.cache
def _parser() -> _Parser:
    parser = _Parser(
        prog="aqueue",
        description="Run a queue's worker, and look after what its store holds.",
        epilog="Exit codes: 0 done · 1 something does not hold or was skipped · 2 bad usage, no such job or store · "
        "3 the store did not answer · 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"aqueue {_version()}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=_Parser)
    _add_work(verbs.add_parser("work", help="run the worker of a queue until a signal"))
    _limited(_stored(verbs.add_parser("ps", help="what runs, on which worker, and what is due")))
    _job(_stored(verbs.add_parser("show", help="one job, with its history")))
    stats = _stored(verbs.add_parser("stats", help="depth, age, rates, limits and breakers"))
    stats.add_argument("--window", type=_seconds, default=3600.0, metavar="TIME", help="of the rates (1h)")
    _grace(stats)
    _add_dead(verbs.add_parser("dead", help="the dead letter: list, show, redrive, park, purge"))
    _jobs(_stored(verbs.add_parser("cancel", help="cancel jobs, or ask running ones to stop")), "+")
    _add_cron(verbs.add_parser("cron", help="schedules: list, missed, remove"))
    _grace(_stored(verbs.add_parser("check", help="whether every invariant holds; exit code 1 if not")))
    _add_repair(verbs.add_parser("repair", help="put right what can be, and say what cannot"))
    spread = _stored(verbs.add_parser("spread", help="give pending retries times of their own, by chance"))
    spread.add_argument("--over", type=_seconds, required=True, metavar="TIME", help="from now on: 10m")
    _task(spread)
    return parser


def _version() -> str:
    from importlib.metadata import version

    return version("faultloop")


def _stored(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--store", default="", metavar="URL", help=f"sqlite:///jobs.db, or app:q ({STORE_VARIABLE} if not given)"
    )
    parser.add_argument("--json", action="store_true", help="the result for machines, on standard output")
    parser.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")
    return parser


def _limited(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=_count, default=100, metavar="N", help="at most so many (100)")


def _job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", type=_count, metavar="ID", help="the job's number")


def _jobs(parser: argparse.ArgumentParser, how_many: str) -> None:
    parser.add_argument("jobs", type=_count, nargs=how_many, metavar="ID", help="numbers of jobs")


def _task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", default="", metavar="NAME", help="only jobs of this task")


def _grace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--grace", type=_seconds, default=300.0, metavar="TIME",
        help="after which a job that nobody moved counts as stuck: lease + two sweeps + one poll, or more (5m)",
    )  # fmt: skip


def _add_work(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="QUEUE", help="module:attribute or path/to/file.py:attribute")
    parser.add_argument("--concurrency", type=_count, default=10, metavar="N", help="jobs at once (10)")
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio", help="the event loop")
    parser.add_argument("--drain", type=_seconds, default=30.0, metavar="TIME", help="for running jobs to end (30s)")
    parser.add_argument(
        "--bury-unknown", action="store_true", help="jobs of tasks that QUEUE does not know go to the dead letter"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")


def _add_dead(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", parser_class=_Parser, required=True)
    listed = _stored(actions.add_parser("list", help="dead jobs and what they died of"))
    _task(listed)
    _limited(listed)
    _job(_stored(actions.add_parser("show", help="one dead job, with its history")))
    redrive = _several(actions.add_parser("redrive", help="send dead jobs round again, one by one"))
    redrive.add_argument("--rate", type=_rate, metavar="N/s", help="at most so many a second")
    redrive.add_argument("--force", action="store_true", help="also those that came back with the same error")
    park = _several(actions.add_parser("park", help="put dead jobs aside: no redrive takes them"))
    park.add_argument("--undo", action="store_true", help="take them back")
    purge = _several(actions.add_parser("purge", help="remove dead jobs for good; their logs stay"))
    purge.add_argument("--yes", action="store_true", help="needed: it cannot be undone")


def _several(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    _stored(parser)
    _jobs(parser, "*")
    parser.add_argument("--all", dest="every", action="store_true", help="all that are dead, up to --limit")
    _task(parser)
    _limited(parser)
    return parser


def _add_cron(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", parser_class=_Parser, required=True)
    _stored(actions.add_parser("list", help="schedules and their next times"))
    _limited(_stored(actions.add_parser("missed", help="times that made no job, newest first")))
    remove = _stored(actions.add_parser("remove", help="remove a schedule that no code declares any more"))
    remove.add_argument("name", metavar="NAME", help="of the schedule")


def _add_repair(parser: argparse.ArgumentParser) -> None:
    _grace(_stored(parser))
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and write nothing")
    parser.add_argument(
        "--run-horizon", type=_seconds, default=366 * 86_400.0, metavar="TIME",
        help="a job that is due later than this from now has its time from a wrong clock (366d)",
    )  # fmt: skip
    parser.add_argument(
        "--lease-horizon", type=_seconds, default=3600.0, metavar="TIME", help="and so has a longer lease (1h)"
    )
