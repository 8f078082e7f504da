"""How long tests go on that do the same thing many times.

At full length on one Python; on the others FAULTLOOP_TEST_PART=5 makes it a fifth, because there only what differs
between Pythons is asked for.
"""

import os

PART = max(1, int(os.environ.get("FAULTLOOP_TEST_PART", "1")))


def times(full: int) -> int:
    """How often something is done that is done `full` times at full length; at least twice."""
    return max(2, full // PART)
