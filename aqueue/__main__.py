"""`python -m aqueue`."""

from aqueue.cli import command

if __name__ == "__main__":
    command()
