"""`explore`: search a scenario for failures, and tell the story of each."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

from faultloop.cli.arguments import DRIVERS, Options, parse_checks, parse_limits
from faultloop.cli.codes import CANNOT_TELL, FOUND_FAILURE, FOUND_NOTHING
from faultloop.cli.codes import INTERRUPTED as STOPPED
from faultloop.cli.console import Console
from faultloop.cli.covering import DATA
from faultloop.cli.executors import executor_by_name
from faultloop.cli.progress import progress
from faultloop.cli.project import trace_name, traces_folder
from faultloop.cli.running import replayable, the_entropy, the_scenario, the_threads
from faultloop.errors import FaultloopError, UsageError
from faultloop.model.address import parse_kind
from faultloop.model.text import counted
from faultloop.report.failure import needs_line
from faultloop.report.story import story
from faultloop.report.summary import Tried, summary
from faultloop.report.words import clean
from faultloop.search.coverage import add_coverage
from faultloop.search.target import Scenario
from faultloop.search.tracefile import save_trace

if TYPE_CHECKING:
    from faultloop.model.trace import Order
    from faultloop.model.world import Io
    from faultloop.search.findings import Exploration, Failure

JOURNAL, LEARNED = ".journal.jsonl", ".learned.json"
STORIES_SHOWN_MAX = 5
_CODES = {"violated": FOUND_FAILURE, "passed": FOUND_NOTHING}


def explore_verb(options: Options, console: Console) -> int:
    """Explore, write a trace for each group of failures, tell their stories; on one driver, or on one after another."""
    drivers = DRIVERS if options.driver == "both" else (options.driver,)
    codes: list[int] = []
    results: dict[str, dict[str, object]] = {}
    for driver in drivers:
        code, results[driver] = _explore_on(driver, options, console)
        codes.append(code)
        if code == STOPPED:
            break
    console.result(results[drivers[0]] if len(drivers) == 1 else {"drivers": results})
    return next(code for code in (STOPPED, FOUND_FAILURE, CANNOT_TELL, FOUND_NOTHING) if code in codes)


def _explore_on(driver: str, options: Options, console: Console) -> tuple[int, dict[str, object]]:
    """Explore on one driver. Returns the exit code and the result for machines."""
    from faultloop.search.explore import INTERRUPTED

    kinds = _kinds(options.faults)
    ref, root, scenario = the_scenario(options, console)
    if options.driver == "both":
        console.say(f"On {driver}:")
    folder = traces_folder(root, options.out)
    label = "" if driver == DRIVERS[0] else driver  # no driver's files are another's
    journal = traces_folder(root) / trace_name(ref, label, JOURNAL)
    found = _explored(options, console, driver, ref, scenario, kinds, journal)
    if found.reason != INTERRUPTED:
        journal.unlink(missing_ok=True)
    with console.program_output():
        names = ("-".join(filter(None, (label, str(number)))) for number, _ in enumerate(found.failures, start=1))
        paths = [folder / trace_name(ref, name) for name in names]
        if paths and found.calm.status.value == "passed":  # first: `replay` without a name takes the newest trace
            save_trace(found.calm.trace, folder / trace_name(ref, "-".join(filter(None, (label, "calm")))))
        for failure, path in zip(found.failures, paths, strict=True):
            save_trace(failure.trace, path)
        if options.html:
            _write_pages(found, paths, root)
        stories = _stories(found, paths, scenario, options)
    console.say(summary(_tried(found, ref, kinds, hits_of(found.failures) if options.tasks == "*" else ()), stories))
    try:
        add_coverage(traces_folder(root) / DATA, found.coverage)
    except FaultloopError as error:  # what was found counts all the same
        console.warn(str(error))
    code = _CODES.get(found.status, CANNOT_TELL)
    if found.reason == INTERRUPTED:
        console.warn("interrupted; the same command with --resume goes on from here")
        code = STOPPED
    return code, _result(found, paths)


def _explored(
    options: Options,
    console: Console,
    driver: str,
    ref: str,
    scenario: Scenario,
    kinds: tuple[str, ...] | None,
    journal: Path,
) -> Exploration:
    from faultloop.search.explore import Files, explore

    limits, checks = parse_limits(options.limit), parse_checks(options.check)
    learned = journal.name.removesuffix(JOURNAL) + LEARNED
    with ExitStack() as open_until_told:
        executor = None
        if options.executor or options.address:
            executor = open_until_told.enter_context(executor_by_name(options.executor or "dask", options.address))
        show = open_until_told.enter_context(progress(sys.stderr, quiet=options.quiet))
        open_until_told.enter_context(console.program_output())
        return explore(
            scenario,
            strategy=options.strategy,
            runs=options.runs,
            time_limit=options.time,
            seed=options.seed or 0,
            order=cast("Order", options.order) if options.order else None,
            faults=kinds,
            tasks=options.tasks,
            where=options.where,
            depth=1 if options.depth == 1 else 2,
            first=options.first,
            observe=_listed(options.observe),
            jobs=options.jobs,
            executor=executor,
            limits=limits,
            checks=checks,
            threads=the_threads(options),
            entropy=the_entropy(options),
            driver=driver,
            io=cast("Io", options.io),
            target=ref,
            files=Files(journal, options.resume, None if options.forget else journal.with_name(learned)),
            on_progress=show,
        )


def _write_pages(found: Exploration, paths: list[Path], root: Path) -> None:
    from faultloop.cli.picturing import page_of, write_page

    passing = found.calm.trace if found.calm.status.value == "passed" else None
    for failure, path in zip(found.failures, paths, strict=True):
        passes = needs_line(failure.trace, is_shrunk=failure.is_shrunk)
        write_page(page_of(path), path, failure.trace, passing=passing, root=root, passes=passes)


def hits_of(failures: Sequence[Failure]) -> tuple[tuple[str, int], ...]:
    """The tasks that faults hit, by what to name them with `--tasks`, and in how many failures: the most first."""
    counts: Counter[str] = Counter()
    for failure in failures:
        counts.update({_last_name(planned.at.task) for planned in failure.trace.faults})
    return tuple(sorted(counts.items(), key=lambda row: (-row[1], row[0])))


def _last_name(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[2]


def _tried(
    found: Exploration, ref: str, kinds: tuple[str, ...] | None, hits: tuple[tuple[str, int], ...] = ()
) -> Tried:
    from faultloop.world.faults import is_network_fault

    tried = found.kinds_tried
    return Tried(
        scenario=clean(ref, 200),
        status=found.status,
        reason=found.reason,
        runs=found.runs,
        points=found.points,
        wall_seconds=found.seconds,
        faults=tried if kinds is not None else tuple(dict.fromkeys(kind.partition(":")[0] for kind in tried)),
        failures=len(found.failures),
        first_failure_run=found.first_failure_run,
        not_tried=(*map(str, found.not_tried), *(f"observing {name}: it is compiled" for name in found.unseen)),
        exhausted=found.exhausted,
        best_effort=found.best_effort,
        schedules=found.schedules,
        classes=found.classes,
        attempts=found.attempts,
        hits=hits,
        points_tried=found.points_tried,
        drawn=tuple(kind for kind in kinds or () if is_network_fault(kind)) if found.schedules > 1 else (),
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _kinds(text: str | None) -> tuple[str, ...] | None:
    """The kinds that were named; None where none were."""
    from faultloop.world.faults import is_network_fault

    if text is None:
        return None
    kinds = _listed(text)
    if not kinds:
        raise UsageError("--faults: name at least one of cancel, expire, fail:ERROR, delay:TIME; or none.")
    if kinds == ("none",):
        return ()
    for kind in kinds:
        if not is_network_fault(kind):
            parse_kind(kind)
    return kinds


def _stories(found: Exploration, paths: list[Path], scenario: Scenario, options: Options) -> list[str]:
    stories: list[str] = []
    for failure, path in list(zip(found.failures, paths, strict=True))[:STORIES_SHOWN_MAX]:
        steps, last = replayable(failure.trace, scenario, path, options.root)
        if failure.count > 1:
            last = f"{counted(failure.count, 'run')} broke it in the same way; {last}"
        passes = needs_line(failure.trace, is_shrunk=failure.is_shrunk)
        stories.append(story(failure.trace, passes=passes, next_steps=steps, last=last))
    if len(found.failures) > STORIES_SHOWN_MAX:
        more = len(found.failures) - STORIES_SHOWN_MAX
        have = "has its trace" if more == 1 else "have their traces"
        stories.append(f"{counted(more, 'more failure')} {have} in {paths[0].parent}.")
    return stories


def _result(found: Exploration, paths: list[Path]) -> dict[str, object]:
    return {
        "status": found.status,
        "reason": found.reason,
        "runs": found.runs,
        "seconds": round(found.seconds, 6),
        "points": found.points,
        "first_failure_run": found.first_failure_run,
        "shrink_runs": found.attempts,
        "failures": [
            {
                "trace": os.fspath(path),
                "kind": failure.kind,
                "message": failure.message,
                "deviations": failure.deviations,
                "order": failure.order,
                "fault": failure.fault,
                "count": failure.count,
                "first_run": failure.at_run,
                "shrunk": failure.is_shrunk,
            }
            for failure, path in zip(found.failures, paths, strict=True)
        ],
        "coverage": {
            "points": found.points,
            "points_tried": found.points_tried,
            "faults": found.tried,
            "orders": found.schedules,
            "classes": found.classes,
            "exhausted": list(found.exhausted),
            "not_tried": [str(left_out) for left_out in found.not_tried],
        },
        "best_effort": found.best_effort,
    }
