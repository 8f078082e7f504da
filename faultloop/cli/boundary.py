"""The edge of the program: whatever happens inside, a person gets a sentence and a shell gets an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

from faultloop.cli.codes import BAD_USAGE, BUG, CANNOT_TELL, FOUND_NOTHING, INTERRUPTED, PIPE_CLOSED
from faultloop.drivers.keyboard import let_exit_codes_count
from faultloop.errors import FaultloopError, FaultNotReached, NotDeterministic, OverLimit, ReplayDiverged, UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run and translate errors; see `faultloop.cli.main`."""
    try:
        code = _command(list(sys.argv[1:] if arguments is None else arguments), is_process=arguments is None)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        let_exit_codes_count()
        _complain("faultloop: interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        _drop_stdout()
        return PIPE_CLOSED
    except SystemExit as leaving:
        # argparse leaves this way after --help and --version.
        return leaving.code if isinstance(leaving.code, int) else FOUND_NOTHING
    except FaultloopError as error:
        _complain(sentence(error))
        if _wants_details(arguments):
            traceback.print_exception(error)
        return exit_code(error)
    except OSError as error:
        # Ours to report, but not our bug: a full disk, a closed terminal, a directory that went away.
        if _wants_details(arguments):
            traceback.print_exception(error)
        _complain(f"faultloop: the system refused: {error}. [FL110]")
        _drop_stdout()
        return BAD_USAGE
    except Exception as error:
        if sys.stdout.closed:
            _complain("faultloop: the program closed standard output, so its result cannot be told. [FL110]")
            return CANNOT_TELL
        if _wants_details(arguments):
            traceback.print_exception(error)
        what = f"{type(error).__name__}: {error}"[:300].splitlines()[0]
        _complain(
            f"faultloop: this is a bug in faultloop, not in your program: {what}. Run it again with -v to see where."
        )
        return BUG


def exit_code(error: FaultloopError) -> int:
    """The exit code an error of ours means."""
    if isinstance(error, ReplayDiverged | NotDeterministic | FaultNotReached | OverLimit):
        return CANNOT_TELL
    return BAD_USAGE


def sentence(error: FaultloopError) -> str:
    """An error as a person reads it: the code behind the first line, what points at the text below it."""
    first, _, rest = str(error.args[0]).partition("\n")
    return f"faultloop: {first} [{error.code}]" + (f"\n{rest}" if rest else "")


def _command(arguments: list[str], *, is_process: bool) -> int:
    from faultloop.cli.arguments import VERBS, parse
    from faultloop.cli.console import Console
    from faultloop.cli.project import begin_here

    options = parse(arguments)
    options.may_restart = is_process
    begin_here()
    console = Console(json_file=options.json_file, verbose=options.verbose, quiet=options.quiet)
    match options.verb:
        case "run":
            from faultloop.cli.running import run_verb

            return run_verb(options, console)
        case "doctor":
            from faultloop.cli.running import doctor_verb

            return doctor_verb(options, console)
        case "replay":
            from faultloop.cli.replaying import replay_verb

            return replay_verb(options, console)
        case "shrink":
            from faultloop.cli.shrinking import shrink_verb

            return shrink_verb(options, console)
        case "explore":
            from faultloop.cli.exploring import explore_verb

            return explore_verb(options, console)
        case "show":
            from faultloop.cli.reading import show_verb

            return show_verb(options, console)
        case "diff":
            from faultloop.cli.reading import diff_verb

            return diff_verb(options, console)
        case "report":
            from faultloop.cli.picturing import report_verb

            return report_verb(options, console)
        case "export":
            from faultloop.cli.picturing import export_verb

            return export_verb(options, console)
        case "coverage":
            from faultloop.cli.covering import coverage_verb

            return coverage_verb(options, console)
        case "schema":
            from faultloop.cli.reading import schema_verb

            return schema_verb(options, console)
        case _:
            raise UsageError(f"name a command: {VERBS}; see faultloop --help")


def _wants_details(arguments: Sequence[str] | None) -> bool:
    given = sys.argv[1:] if arguments is None else arguments
    return os.environ.get("FAULTLOOP_DEBUG", "") not in ("", "0") or bool({"-v", "-vv", "--verbose"} & set(given))


def _complain(text: str) -> None:
    from faultloop.report.words import for_encoding

    with suppress(OSError, ValueError):  # standard error may be closed: then the exit code has to do
        print(for_encoding(text, getattr(sys.stderr, "encoding", None)), file=sys.stderr)


def _drop_stdout() -> None:
    """Nobody reads any more: keep the interpreter from complaining about that when it flushes at exit."""
    with suppress(OSError, ValueError):  # standard output may be no file of this process
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)
