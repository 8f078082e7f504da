"""How fast aqueue is, beside what SQLite allows and beside other queues: benchmarks/queues/measuring.py says how."""

from __future__ import annotations

import sys
from pathlib import Path

# In place of this file's folder, where this file would hide the standard library's `queue`.
sys.path[0] = str(Path(__file__).parent.parent)

from benchmarks.queues.measuring import main  # noqa: E402 - not before the line above

if __name__ == "__main__":
    main()
