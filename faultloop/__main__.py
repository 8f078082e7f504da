"""`python -m faultloop`."""

import sys
from typing import NoReturn

from faultloop.cli import main
from faultloop.cli.exits import tell_of_exits
from faultloop.drivers.partings import part_at_exit, that_hold_up


def command() -> NoReturn:
    """Run the command that the process was started with, and end the process, whatever threads a program left."""
    tell_of_exits()
    code = main()
    part_at_exit(that_hold_up)
    sys.exit(code)


if __name__ == "__main__":
    command()
