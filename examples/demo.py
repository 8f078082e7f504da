"""The main job, from end to end, as a person would type it.

A job queue charges orders at a bank. One handler hopes that a retry means that nothing happened yet. faultloop is told
nothing but the name of the scenario: it finds the one await at which a cancellation charges an order twice, writes the
run down, replays it, and finds nothing in the variant with the guardrail.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCENARIO = "failure_modes/FM_001_retry_duplication/scenario.py"
OUT = ".faultloop/demo"
FOUND, NOTHING = 1, 0


def main() -> int:
    """Run the steps; the exit code says whether every one of them came out as told."""
    began = time.perf_counter()
    steps = (
        ("1. Explore the broken queue: every single cancellation of a job, at every await", FOUND, explore("broken")),
        ("2. Replay the first failure from its file", FOUND, f"replay {OUT}/scenario-broken-1.trace.json"),
        ("3. Explore the guarded queue the same way", NOTHING, explore("guarded")),
    )
    for title, expected, command in steps:
        print(f"\n=== {title}\n$ python -m faultloop {command}\n", flush=True)
        typed = [sys.executable, "-m", "faultloop", *shlex.split(command)]
        code = subprocess.run(typed, cwd=ROOT, check=False).returncode
        if code != expected:
            print(f"\ndemo: this step should have ended with exit code {expected}, not {code}.", file=sys.stderr)
            return 1
    print(f"\n=== Done in {time.perf_counter() - began:.1f} s")
    print("Found at one await, written down, replayed step for step, and prevented by the guarded variant.")
    print(f"The scenario is {SCENARIO}; what it means is in spec.md beside it.")
    return 0


def explore(variant: str) -> str:
    """The command that explores a variant's jobs."""
    return f"explore {SCENARIO}:{variant} --tasks '*.job*' --faults cancel --strategy sweep --out {OUT}"


if __name__ == "__main__":
    sys.exit(main())
