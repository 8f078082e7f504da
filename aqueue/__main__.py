"""`python -m aqueue`."""

import sys

from aqueue.cli import main

if __name__ == "__main__":
    sys.exit(main())
