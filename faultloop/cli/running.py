"""`run` and `doctor`: one run of a scenario, and two that have to be alike."""

from __future__ import annotations

import dataclasses
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, cast

from faultloop.cli import restart
from faultloop.cli.arguments import Options, parse_checks, parse_limits
from faultloop.cli.codes import CANNOT_TELL, FOUND_FAILURE, FOUND_NOTHING
from faultloop.cli.console import Console
from faultloop.cli.project import next_steps, project_root, shown_path, trace_name, traces_folder
from faultloop.errors import UsageError
from faultloop.model.address import format_fault, parse_fault
from faultloop.model.entropy import Entropy
from faultloop.model.faults import NANOSECONDS
from faultloop.model.outcome import Status
from faultloop.model.text import counted
from faultloop.report.story import story
from faultloop.report.words import clean
from faultloop.search.mistaken import other_driver
from faultloop.search.target import Scenario, load_target, relative_ref
from faultloop.search.tracefile import require_folder, save_trace

if TYPE_CHECKING:
    from faultloop.model.trace import Order, Threads, Trace
    from faultloop.model.world import Io
    from faultloop.search.run import Run


def run_verb(options: Options, console: Console) -> int:
    """One run, its story, and its trace if it failed or one was asked for."""
    from faultloop.search.run import run
    from faultloop.world.faults import is_network_fault

    faults = [text if is_network_fault(text) else parse_fault(text) for text in options.fault]
    limits, checks = parse_limits(options.limit), parse_checks(options.check)
    if options.out:
        require_folder(options.out)
    ref, root, scenario = the_scenario(options, console)
    with console.program_output():
        result = run(
            scenario,
            seed=options.seed,
            faults=faults,
            order=cast("Order", options.order),
            limits=limits,
            driver=options.driver,
            threads=the_threads(options),
            entropy=the_entropy(options),
            io=cast("Io", options.io),
            checks=checks,
            target=ref,
        )
    path = Path(options.out) if options.out else None
    if path is None and result.status.is_failure:
        path = traces_folder(root) / trace_name(ref, "run")
    if path is not None:
        save_trace(result.trace, path)
    failed = result.status.is_failure and path is not None
    with console.program_output():
        steps, last = replayable(result.trace, scenario, path, options.root) if failed and path else ([], "")
    if not failed:
        last = size_words(result.trace) + (f", {shown_path(path)}" if path else "")
    console.say(story(result.trace, next_steps=steps, last=last))
    if console.verbose and result.exception is not None:
        traceback.print_exception(result.exception, file=sys.stderr)
    warn_not_reached(result, console)
    if hint := other_driver(result.trace.outcome.raised, options.driver):
        console.warn(hint)
    console.result(run_result(result, path))
    return run_code(result)


def the_threads(options: Options) -> Threads:
    """How work for threads is run."""
    return cast("Threads", options.threads)


def the_entropy(options: Options) -> Entropy:
    """Where chance and clocks come from."""
    if options.entropy == "real":
        return Entropy("real")
    return Entropy(seed=options.seed or 0, spared=tuple(options.spare))


def run_code(result: Run) -> int:
    """The exit code a run means. A fault that never landed says nothing about a run that passed."""
    if result.status.is_failure:
        return FOUND_FAILURE
    if result.status in (Status.OVER_LIMIT, Status.DIVERGED) or result.not_reached:
        return CANNOT_TELL
    return FOUND_NOTHING


def warn_not_reached(result: Run, console: Console) -> None:
    """Name each fault that never landed, and what was there instead."""
    for missed in result.not_reached:
        near = f" The nearest: {clean(missed.nearest, 200)}." if missed.nearest else ""
        fault = clean(format_fault(missed.fault), 200)
        console.warn(f'fault "{fault}" was never reached: {clean(missed.reason, 400)}.{near} [FL501]')


def run_result(result: Run, path: Path | None) -> dict[str, object]:
    """A run for machines."""
    raised = result.trace.outcome.raised
    return {
        "status": str(result.status),
        "message": result.trace.outcome.message,
        "raised": None if raised is None else {"type": raised.type, "message": raised.message},
        "findings": [f.message for f in result.trace.outcome.findings if f.counts],
        "virtual_time": result.virtual_time,
        "steps": result.steps,
        "digest": result.trace.digest,
        "best_effort": result.trace.world.best_effort,
        "trace": None if path is None else os.fspath(path),
        "not_reached": [
            {"fault": format_fault(missed.fault), "seen": list(missed.seen), "nearest": missed.nearest}
            for missed in result.not_reached
        ],
    }


def the_scenario(options: Options, console: Console) -> tuple[str, Path, Scenario]:
    """The target as a trace names it, the root, and the scenario: under a fixed hash seed, so that it replays."""
    root = project_root(options.root)
    ref = relative_ref(options.target, cwd=Path.cwd(), root=root)
    seed = restart.current_seed()
    if options.may_restart and (warning := restart.under_seed(restart.DEFAULT_SEED if seed == "random" else seed)):
        console.warn(warning + ".")
    with console.program_output():
        return ref, root, load_target(ref, root=root)


def replayable(trace: Trace, scenario: Scenario, path: Path, root: str) -> tuple[list[tuple[str, str]], str]:
    """The commands to print below a failure, and how replaying it once went: only what works is offered."""
    from faultloop.search.replay import replay

    again = replay(trace, scenario)
    if again.same_digest:
        steps = next_steps(path, root=root, by_name=bool(trace.faults or trace.choices.departures))
        return steps, f"replayed once, with the same digest {short_digest(trace)}"
    where = f" at step {again.divergence.step}" if again.divergence else ""
    if trace.world.best_effort:
        steps = next_steps(path, root=root, by_name=True)
        return steps[1:], f"replayed once: it took another way{where}"
    return [], f"could not reproduce it: replaying took another way{where}. See: python -m faultloop doctor"


def size_words(trace: Trace) -> str:
    """`20 steps, 30.000 s virtual, digest 6ba97af38375`."""
    stats = trace.stats
    return (
        f"{counted(stats.steps, 'step')}, {stats.virtual_ns / NANOSECONDS:.3f} s virtual, digest {short_digest(trace)}"
    )


def short_digest(trace: Trace) -> str:
    """Enough of a digest to tell two apart by eye."""
    return clean(trace.digest.removeprefix("sha256:")[:12], 20) or "(none)"


def boundary_verb(console: Console) -> int:
    """What a run controls, runs inline, lets through and refuses."""
    from faultloop.report.boundary import boundary_table
    from faultloop.world.boundary import boundary

    rows = boundary()
    console.say(boundary_table(rows))
    console.result({"boundary": [dataclasses.asdict(row) for row in rows]})
    return FOUND_NOTHING


def doctor_verb(options: Options, console: Console) -> int:
    """Run it twice; the first difference, if there is one."""
    from faultloop.search.doctor import diagnose

    if options.boundary:
        return boundary_verb(console)
    if not options.target:
        raise UsageError("name a scenario, or ask for --boundary. See: python -m faultloop doctor --help")
    limits = parse_limits(options.limit)
    ref, _, scenario = the_scenario(options, console)
    with console.program_output():
        diagnosis = diagnose(
            scenario,
            limits=limits,
            threads=the_threads(options),
            entropy=the_entropy(options),
            driver=options.driver,
            io=cast("Io", options.io),
            target=ref,
        )
    env = diagnosis.run.trace.env
    versions = ", ".join(f"{name} {version}" for name, version in sorted(env.packages.items()))
    lines = [
        f"  python     {env.implementation} {env.python} on {env.platform or 'an unnamed platform'}",
        f"  runs on    {env.driver}, hash seed {env.hashseed}" + (f", with {versions}" if versions else ""),
        f"  the run    {diagnosis.run.status}; {size_words(diagnosis.run.trace)}",
    ]
    difference = diagnosis.difference
    if diagnosis.deterministic:
        lines.insert(0, f"{clean(ref, 200)} is deterministic: two runs were the same, step by step.\n")
    else:
        lines.insert(
            0, f"{clean(ref, 200)} is not deterministic: the same answers led to two different runs. [FL202]\n"
        )
    if difference is not None:
        lines += [
            f"  at step    {difference.step}",
            *(f"  alike      {clean(line, 200)}" for line in difference.context[-3:]),
            f"  first run  {clean(difference.expected, 300)}",
            f"  second     {clean(difference.got, 300)}",
            "  Likely: the order of a set, real input and output, or what --boundary lists as let through.",
        ]
        lines += [f"  thread     {clean(name, 200)} posted to the loop" for name in diagnosis.threads]
    if diagnosis.run.trace.world.best_effort:
        lines.append(f"  holds      {diagnosis.run.trace.world.best_effort}")
    console.say("\n".join(lines))
    console.result(
        {
            "deterministic": diagnosis.deterministic,
            "difference": None
            if difference is None
            else {"step": difference.step, "first": difference.expected, "second": difference.got},
            "threads": list(diagnosis.threads),
            "status": str(diagnosis.run.status),
            "digest": diagnosis.run.trace.digest,
            "python": env.python,
            "packages": env.packages,
        }
    )
    return FOUND_NOTHING if diagnosis.deterministic else CANNOT_TELL
