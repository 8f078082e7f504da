"""`shrink`: from a failing trace to the smallest one that fails alike."""

from __future__ import annotations

from pathlib import Path

from faultloop.cli.arguments import Options
from faultloop.cli.codes import CANNOT_TELL, FOUND_FAILURE
from faultloop.cli.console import Console
from faultloop.cli.project import TRACES, project_root, shown_path
from faultloop.cli.replaying import check_environment, with_scenario_of
from faultloop.cli.running import replayable
from faultloop.errors import UsageError
from faultloop.model.text import counted
from faultloop.report.failure import needs_line
from faultloop.report.story import story
from faultloop.search.findings import Failure
from faultloop.search.shrinking import shrink_trace
from faultloop.search.target import Scenario
from faultloop.search.tracefile import load_trace, newest_trace, require_folder, save_trace


def shrink_verb(options: Options, console: Console) -> int:
    """Shrink a trace, write what came of it, tell its story."""
    if options.runs < 1:
        raise UsageError(f"--runs must be at least 1, got {options.runs}", code="FL511")
    root = project_root(options.root, options.trace)
    path = Path(options.trace) if options.trace else newest_trace(root / TRACES)
    trace = load_trace(path)
    out = (
        Path(options.out) if options.out else path.with_name(path.name.replace(".trace.json", "") + "-small.trace.json")
    )
    require_folder(str(out))
    check_environment(trace, path, options, console)

    def shrink(scenario: Scenario) -> tuple[Failure, tuple[list[tuple[str, str]], str]] | None:
        failure = shrink_trace(trace, scenario, runs=options.runs)
        if failure is None:
            return None
        save_trace(failure.trace, out)
        return failure, replayable(failure.trace, scenario, out, options.root)

    with console.program_output():
        shrunk = with_scenario_of(trace, path, root, shrink, allow_import=options.allow_import)
        if shrunk is None:
            console.say(f"{shown_path(path)} does not fail when it is run again: nothing to shrink.")
            console.result({"status": "passed", "trace": None})
            return CANNOT_TELL
        failure, (steps, last) = shrunk
    passes = needs_line(failure.trace, is_shrunk=failure.is_shrunk)
    went = (
        f"from {trace.deviations} to {counted(failure.deviations, 'deviation')} in {counted(failure.attempts, 'run')}"
    )
    console.say(story(failure.trace, passes=passes, next_steps=steps, last=f"{went}; {last}"))
    console.result(
        {
            "status": failure.kind,
            "message": failure.message,
            "trace": str(out),
            "before": trace.deviations,
            "deviations": failure.deviations,
            "runs": failure.attempts,
            "shrunk": failure.is_shrunk,
            "order": failure.order,
            "fault": failure.fault,
        }
    )
    return FOUND_FAILURE
