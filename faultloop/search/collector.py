"""The garbage collector, kept from walking over what was there before the first run."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def at_rest() -> Generator[None]:
    """Between many runs, collections look only at what has been made since.

    One that looks at everything took 0.2 s in a test suite of 250,000 objects, which is as long as 600 small runs.
    Where somebody has frozen what there is, it is left so: only whoever froze it knows when to thaw it.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
