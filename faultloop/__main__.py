"""`python -m faultloop`."""

from typing import NoReturn

from faultloop.cli import main
from faultloop.cli.leaving import leave


def command() -> NoReturn:
    """Run the command that the process was started with, and end the process."""
    leave(main())


if __name__ == "__main__":
    command()
