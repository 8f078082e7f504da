"""The edge of the program: whatever happens inside, a person gets a sentence and a shell gets an exit code."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn, cast

from aqueue.cli.codes import BAD_USAGE, BUG, FINE, INTERRUPTED, PIPE_CLOSED, UNAVAILABLE
from aqueue.cli.text import clean, for_encoding
from aqueue.errors import AQueueError, StoreUnavailable

if TYPE_CHECKING:
    from aqueue.cli.arguments import Options

__all__ = ["leave_at_once", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run and translate errors; see `aqueue.cli.main`."""
    try:
        code = _command(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        _complain("aqueue: interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        _drop_stdout()
        return PIPE_CLOSED
    except SystemExit as leaving:
        # argparse leaves this way after --help and --version.
        return leaving.code if isinstance(leaving.code, int) else FINE
    except Exception as error:
        return _explained(_root_of(error), details=_wants_details(arguments))


def leave_at_once(code: int) -> NoReturn:
    """End the process without waiting for a thread that still asks a store that does not answer: it was interrupted."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _explained(error: Exception, *, details: bool) -> int:
    if details:
        traceback.print_exception(error)
    if isinstance(error, AQueueError):
        _complain(f"aqueue: {clean(error, 4000)}")
        return UNAVAILABLE if isinstance(error, StoreUnavailable) else BAD_USAGE
    what = clean(f"{type(error).__name__}: {error}", 300)
    if isinstance(error, OSError):
        _complain(f"aqueue: the system refused: {what}.")
        _drop_stdout()
        return UNAVAILABLE
    _complain(f"aqueue: this is a bug in aqueue: {what}. Run it again with -v to see where.")
    return BUG


def _root_of(error: Exception) -> Exception:
    """The one error in a group of one, which task groups make of it."""
    if isinstance(error, ExceptionGroup):
        inner = cast("ExceptionGroup[Exception]", error).exceptions
        return _root_of(inner[0]) if len(inner) == 1 else cast("Exception", error)
    return error


def _command(arguments: list[str]) -> int:
    from aqueue.cli.arguments import parse

    options = parse(arguments)
    match options.verb:
        case "work":
            from aqueue.cli.working import work

            return work(options)
        case _:
            with _log_to_itself(verbose=options.verbose):
                return _look_or_move(options)


def _look_or_move(options: Options) -> int:
    match options.verb:
        case "ps" | "show" | "stats" | "cron":
            from aqueue.cli.showing import show_verb

            return show_verb(options)
        case "dead" | "cancel":
            from aqueue.cli.moving import move_verb

            return move_verb(options)
        case _:
            from aqueue.cli.mending import mend_verb

            return mend_verb(options)


@contextmanager
def _log_to_itself(*, verbose: bool) -> Generator[None]:
    """Keep what the store says of its troubles from standard error, which gets the one sentence that comes of them."""
    log, handler = logging.getLogger("aqueue"), logging.NullHandler()
    if not verbose:
        log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _wants_details(arguments: Sequence[str] | None) -> bool:
    return bool({"-v", "--verbose"} & set(sys.argv[1:] if arguments is None else arguments))


def _complain(text: str) -> None:
    with suppress(OSError, ValueError):  # standard error may be closed: then the exit code has to do
        print(for_encoding(text, getattr(sys.stderr, "encoding", None)), file=sys.stderr)


def _drop_stdout() -> None:
    """Nobody reads any more: keep the interpreter from complaining about that when it flushes at exit."""
    with suppress(OSError, ValueError):  # standard output may be no file of this process
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)
