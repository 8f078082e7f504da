"""`python -m faultloop`."""

from typing import NoReturn

from faultloop.cli import main
from faultloop.cli.leaving import leave, tell_of_exits


def command() -> NoReturn:
    """Run the command that the process was started with, and end the process."""
    tell_of_exits()
    leave(main())


if __name__ == "__main__":
    command()
