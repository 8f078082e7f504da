"""The catalogue's command line: `python -m failure_modes`.

Exit codes: 0 all as specified · 1 something is not · 2 bad usage, or a bundle that cannot be read.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from failure_modes.catalogue import PROOFS, Bundle, CatalogueError, bundles, find
from faultloop.drivers.keyboard import let_exit_codes_count
from faultloop.errors import FaultloopError

if TYPE_CHECKING:
    from failure_modes.proof import Proof

HOLDS, FAILS, BAD_USAGE = 0, 1, 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CatalogueError("FMC100", f"{message}. See: python -m failure_modes --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        options = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = options.command
        code = command(options)
        sys.stdout.flush()
        return code
    except (CatalogueError, FaultloopError) as error:
        print(f"failure_modes: {error}", file=sys.stderr)
        return BAD_USAGE
    except KeyboardInterrupt:
        let_exit_codes_count()
        print("failure_modes: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # nobody reads any more: nor is that to be complained of when it is flushed at exit
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)
        return 141


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="failure_modes", description="The catalogue of failure modes, and its proofs.")
    verbs = parser.add_subparsers(title="commands", required=True)
    verbs.add_parser("list", help="all failure modes, a line each").set_defaults(command=_list)
    show = verbs.add_parser("show", help="what is said of one")
    show.add_argument("name", metavar="FM_NNN")
    show.set_defaults(command=_show)
    helps = {
        "repro": "the broken variant fails as specified, and is found without being told where",
        "prevent": "the guarded variant holds, under the recorded fault and in 500 runs explored afresh",
        "recover": "the damage can be repaired: twice, by two at once, cancelled or crashed half-way and run again",
    }
    for kind in PROOFS:
        proof = verbs.add_parser(kind, help=helps[kind])
        proof.add_argument("names", nargs="*", metavar="FM_NNN")
        proof.add_argument("--all", action="store_true", help="all of them")
        proof.add_argument("--driver", choices=("asyncio", "trio"), default="asyncio")
        proof.add_argument(
            "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (default: %(default)s)"
        )
        proof.set_defaults(command=_prove, kind=kind)
    record = verbs.add_parser("record", help="explore the broken variant and keep the shrunk failure as trace.json")
    record.add_argument("name", metavar="FM_NNN")
    record.set_defaults(command=_record)
    new = verbs.add_parser("new", help="begin a bundle, with tests that fail until it is filled in")
    new.add_argument("name", metavar="FM_NNN")
    new.add_argument("words", metavar="name", help="what it is called, in a few words joined by _")
    new.set_defaults(command=_new)
    return parser


def _list(_: argparse.Namespace) -> int:
    for bundle in bundles():
        spec = bundle.spec()
        print(f"{spec.title}\n        {spec.first_sentence('invariant')}")
    return HOLDS


def _show(options: argparse.Namespace) -> int:
    bundle = find(options.name)
    print((bundle.folder / "spec.md").read_text(encoding="utf-8"), end="")
    return HOLDS


def _prove(options: argparse.Namespace) -> int:
    if options.all == bool(options.names):
        raise CatalogueError(
            "FMC102", f"name failure modes, or --all of them: python -m failure_modes {options.kind} FM_001"
        )
    if options.jobs < 1:
        raise CatalogueError("FMC100", f"--jobs must be at least 1, got {options.jobs}")
    chosen = bundles() if options.all else tuple(find(name) for name in options.names)
    failed = 0
    for proof in _proofs(options.kind, chosen, options.driver, options.jobs):
        print(f"{proof.bundle.name}  {'holds' if proof.holds else 'FAILS'}  {proof.seconds:6.1f} s  {proof.said}")
        for objection in proof.objections:
            print(f"        {objection}")
        sys.stdout.flush()
        failed += not proof.holds
    print(f"{options.kind}: {len(chosen) - failed} of {len(chosen)} as specified")
    return FAILS if failed else HOLDS


def _proofs(kind: str, chosen: Sequence[Bundle], driver: str, jobs: int) -> Iterator[Proof]:
    """In the order of `chosen`, each as soon as it and those before it are done."""
    work = [(kind, str(bundle.folder), driver) for bundle in chosen]
    if jobs <= 1 or len(chosen) == 1:
        yield from map(_proof, work)
        return
    with ProcessPoolExecutor(min(jobs, len(chosen)), initializer=_leave_interrupts_to_the_parent) as pool:
        try:
            # No interruption reaches the processes before they know what to do with one.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                proofs = pool.map(_proof, work)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield from proofs
        except BaseException:  # an interruption, or nobody wants the rest
            for process in multiprocessing.active_children():
                process.terminate()
            pool.shutdown(cancel_futures=True)
            raise


def _leave_interrupts_to_the_parent() -> None:
    """In a process that proves: Ctrl-C goes to all of them, and one sentence about it is enough."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _proof(work: tuple[str, str, str]) -> Proof:
    from failure_modes import proof

    kind, folder, driver = work
    prove: Callable[..., Proof] = {"repro": proof.repro, "prevent": proof.prevent, "recover": proof.recover}[kind]
    return prove(Bundle(Path(folder)), driver)


def _record(options: argparse.Namespace) -> int:
    from failure_modes.proof import record

    bundle = find(options.name)
    failure = record(bundle)
    print(
        f"wrote {_from_here(bundle.trace)}\nfound in run {failure.at_run}: {failure.fault or f'order {failure.order}'}"
    )
    print(failure.message)
    return HOLDS


def _new(options: argparse.Namespace) -> int:
    from failure_modes.scaffold import scaffold

    _say_written(scaffold(options.name, options.words))
    return HOLDS


def _from_here(path: Path) -> Path:
    """A path as somebody in this folder would type it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _say_written(paths: Iterable[Path]) -> None:
    for path in paths:
        print(f"wrote {_from_here(path)}")
    print("Fill in the spec and the scenario, then: python -m failure_modes record, repro, prevent, recover")


if __name__ == "__main__":
    sys.exit(main())
