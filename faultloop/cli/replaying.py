"""`replay`: run a trace again, and say whether it is the same run."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from faultloop.cli import restart
from faultloop.cli.arguments import Options
from faultloop.cli.codes import CANNOT_TELL
from faultloop.cli.console import Console
from faultloop.cli.project import TRACES, command, project_root, shown_path
from faultloop.cli.running import run_code, run_result, short_digest, warn_not_reached
from faultloop.errors import TargetError
from faultloop.model.trace import Trace
from faultloop.report.story import story
from faultloop.report.words import clean
from faultloop.search.target import Scenario, fingerprint, is_test, load_target
from faultloop.search.tracefile import load_trace, newest_trace

if TYPE_CHECKING:
    from faultloop.engine.compare import Divergence
    from faultloop.search.replay import Replay

T = TypeVar("T")


def replay_verb(options: Options, console: Console) -> int:
    """Replay a trace file; without one, the newest of the project."""
    root = project_root(options.root, options.trace)
    path = Path(options.trace) if options.trace else newest_trace(root / TRACES)
    trace = load_trace(path)
    check_environment(trace, path, options, console)
    with console.program_output():
        from faultloop.search.replay import replay

        follow = cast("Literal['choices', 'faults']", options.follow)
        again = with_scenario_of(
            trace,
            path,
            root,
            lambda scenario: replay(trace, scenario, follow=follow),
            allow_import=options.allow_import,
        )
    faithful = options.follow == "faults" or (again.same_digest and again.divergence is None)
    if again.divergence is not None and not faithful:
        console.say(_divergence_text(again, again.divergence, trace, path, root))
    else:
        console.say(story(again.run.trace, last=_closing(again, trace, options.follow)))
    if console.verbose and again.run.exception is not None:
        traceback.print_exception(again.run.exception, file=sys.stderr)
    warn_not_reached(again.run, console)
    console.result(_result(again, trace, path))
    if not faithful or not (again.held or again.run.status.is_failure):
        return CANNOT_TELL
    return run_code(again.run)


def check_environment(trace: Trace, path: Path, options: Options, console: Console) -> None:
    """Start again under the trace's hash seed, or warn; warn of another Python."""
    recorded = trace.env.hashseed
    if options.may_restart:
        warning = restart.under_seed(recorded)
    else:
        warning = f"recorded under hash seed {recorded}, not this one" if restart.needs_restart(recorded) else ""
    if warning:
        console.warn(f"{warning}.")
    here = f"{sys.implementation.name} {platform.python_version()}"
    there = f"{clean(trace.env.implementation, 20)} {clean(trace.env.python, 20)}"
    if here.rpartition(".")[0] != there.rpartition(".")[0]:
        console.warn(
            f"{shown_path(path)} was recorded on {there}; this is {here}. "
            "It usually replays; if it diverges, use the Python it was recorded on. [FL105]"
        )


def with_scenario_of(trace: Trace, path: Path, root: Path, use: Callable[[Scenario], T], *, allow_import: bool) -> T:
    """What comes of using the scenario that a trace file names. A test is there only while pytest runs it."""
    ref = trace.target.ref
    if not ref:
        raise TargetError(
            f"{shown_path(path)} names no scenario: it was recorded from a callable without a name. "
            "Replay it from Python: faultloop.replay(path, scenario)"
        )
    if not is_test(ref):
        return use(load_target(ref, root=root, confined=not allow_import))
    if importlib.util.find_spec("pytest") is None:
        raise TargetError(
            f'"{clean(ref, 200)}" is a test, and pytest is not installed: pip install "faultloop[pytest]"'
        )
    from faultloop.pytest_plugin.borrowed import with_test

    return with_test(ref, root, use, confined=not allow_import)


def _closing(again: Replay, trace: Trace, follow: str) -> str:
    if follow == "faults":
        what = "the same order" if not trace.faults else "the same faults"
        if again.run.not_reached:
            return "a fault was never reached: cannot tell"
        if again.run.status.is_failure:
            return f"{what} still break{'s' * (not trace.faults)} it"
        if not again.held:
            return "no step was there to be held back: cannot tell"
        return f"{what} no longer break{'s' * (not trace.faults)} it"
    if again.same_digest:
        return f"replayed with the same digest {short_digest(trace)}"
    return f"replayed with another digest: {short_digest(again.run.trace)}, recorded {short_digest(trace)}"


def _divergence_text(again: Replay, divergence: Divergence, trace: Trace, path: Path, root: Path) -> str:
    lines = [
        f"The replay diverged at step {divergence.step}: the program no longer does what this trace recorded. [FL201]",
        "",
        *(f"  alike      {clean(line, 200)}" for line in divergence.context[-3:]),
        f"  expected   {clean(divergence.expected, 300)}",
        f"  got        {clean(divergence.got, 300)}",
        f"  likely     {'; '.join(_likely_causes(trace, root))}",
        *([f"  by name    {_followed_words(again)}"] if again.followed is not None else []),
        "",
        f"  check fix  {command('replay', '--follow', 'faults', shown_path(path))}",
        f"  recorded   {command('show', '--around', str(divergence.step), shown_path(path))}",
    ]
    return "\n".join(lines)


def _followed_words(again: Replay) -> str:
    """What following the order by the names of its steps came to."""
    assert again.followed is not None
    if again.followed.status.is_failure:
        return f"the same order of steps still breaks it: {clean(again.followed.trace.outcome.message, 200)}"
    return "the same order of steps no longer breaks it" if again.held else "no step was there to be held back"


def _likely_causes(trace: Trace, root: Path) -> list[str]:
    causes: list[str] = [trace.world.best_effort] if trace.world.best_effort else []
    now = fingerprint(trace.target.ref, root=root)
    if trace.target.fingerprint and now and now != trace.target.fingerprint:
        causes.append("the scenario's file changed since the recording")
    if trace.env.hashseed == "random":
        causes.append("it was recorded under a random hash seed, so sets of strings are in another order")
    if trace.env.python != platform.python_version():
        causes.append(f"it was recorded on Python {clean(trace.env.python, 20)}")
    return causes or ["code below the scenario changed, or the run reads something from outside (see: doctor)"]


def _result(again: Replay, trace: Trace, path: Path) -> dict[str, object]:
    divergence = again.divergence
    return {
        **run_result(again.run, path),
        "same_digest": again.same_digest,
        "recorded_digest": trace.digest,
        "divergence": None
        if divergence is None
        else {
            "step": divergence.step,
            "expected": divergence.expected,
            "got": divergence.got,
            "context": list(divergence.context),
        },
        "trace": os.fspath(path),
    }
