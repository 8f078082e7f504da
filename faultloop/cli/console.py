"""Where a command's words go: people's on one stream, the machine's in a file or on standard output.

With `--json -` standard output belongs to the machine alone: all text, and what the program under test prints, goes to
standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TextIO

import msgspec

from faultloop.cli.painting import painted
from faultloop.cli.project import shown_path
from faultloop.errors import UsageError
from faultloop.report.words import for_encoding
from faultloop.search.tracefile import require_folder, write_atomically


class Console:
    """Output of one command. json_file: empty for none, `-` for standard output."""

    def __init__(self, *, json_file: str = "", verbose: int = 0, quiet: bool = False) -> None:
        if json_file not in ("", "-"):
            require_folder(json_file)
        self.json_file = json_file
        self.verbose = verbose
        self.quiet = quiet

    def say(self, text: str) -> None:
        """Tell the result to a person, unless they asked for quiet."""
        if not self.quiet:
            stream = sys.stderr if self.json_file == "-" else sys.stdout
            _write(stream, painted(for_encoding(text, getattr(stream, "encoding", None)), stream))

    def warn(self, text: str) -> None:
        """Tell a person what they should know beside the result."""
        _write(sys.stderr, for_encoding(f"faultloop: {text}", getattr(sys.stderr, "encoding", None)))

    def result(self, result: Mapping[str, object]) -> None:
        """Hand the result to a machine, if one was named."""
        if not self.json_file:
            return
        data = msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"
        if self.json_file == "-":
            sys.stdout.write(data.decode())
            sys.stdout.flush()
        else:
            write_atomically(self.json_file, data)

    def deliver(self, document: bytes, place: Path, said: str = "") -> None:
        """Write a document to a file and say so, or to standard output for `-`. said: what is added to that."""
        if str(place) != "-":
            write_atomically(place, document)
            self.say(f"wrote {shown_path(place)}{said}")
            return
        if self.json_file == "-":
            raise UsageError("-o - and --json - both want standard output: name a file for one of them.")
        sys.stdout.flush()
        sys.stdout.buffer.write(document)
        sys.stdout.buffer.flush()

    @contextmanager
    def program_output(self) -> Generator[None]:
        """While the program under test runs: keep what it prints out of the machine's stream."""
        if self.json_file == "-":
            with redirect_stdout(sys.stderr):
                yield
        else:
            yield


def _write(stream: TextIO, text: str) -> None:
    stream.write(text + "\n")
