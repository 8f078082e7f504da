"""`python -m faultloop`."""

import sys

from faultloop.cli import main

if __name__ == "__main__":
    sys.exit(main())
