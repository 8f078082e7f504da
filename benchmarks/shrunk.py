"""How small the failures of the ports become: deviations, runs that it took, and whether they replay.

    python benchmarks/shrunk.py [--programs reorder_10,…] [--seeds 3] [--runs 2000]

Each program is explored until it fails, in order `any` without a bound; the failure is shrunk as `explore` does it, and
replayed ten times. Printed: per program the deviations and the runs that shrinking took, the most of all seeds; and the
medians. Programs that fail in asyncio's own order have nothing to shrink and are left out by name.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

if __name__ == "__main__":  # in place of this file's folder, where queue.py would hide the standard library's `queue`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.ports.catalogue import BASELINE, PORTS
from benchmarks.ports.shared import observe
from faultloop import explore, replay
from faultloop.drivers.touches import touch
from faultloop.model.limits import Limits

REPLAYS = 10
DEVIATIONS_MEDIAN_MAX = 3
ATTEMPTS_MAX = 300
LIMITS = Limits(steps=4_000)


def main() -> int:
    """Measure and print; the exit code says whether every claim holds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--programs", default=",".join(BASELINE))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=2_000)
    args = parser.parse_args()
    observe(touch)
    deviations: list[int] = []
    attempts: list[int] = []
    wrong: list[str] = []
    for name in args.programs.split(","):
        program = PORTS[name].program
        small: list[tuple[int, int]] = []
        for seed in range(args.seeds):
            found = explore(
                program, order="any", hold=None, faults=(), runs=args.runs, seed=seed, first=True, limits=LIMITS
            )
            if found.first_failure_run in (None, 1):
                continue
            failure = found.failures[0]
            small.append((failure.deviations, failure.attempts))
            digests = {replay(failure.trace, program).run.trace.digest for _ in range(REPLAYS)}
            if digests != {failure.trace.digest}:
                wrong.append(f"{name}, seed {seed}: does not replay")
            if failure.attempts > ATTEMPTS_MAX:
                wrong.append(f"{name}, seed {seed}: {failure.attempts} runs")
        if not small:
            print(f"{name:<24} nothing to shrink")
            continue
        deviations += [each for each, _ in small]
        attempts += [each for _, each in small]
        print(f"{name:<24} {max(small)[0]:>3} deviations, {max(each for _, each in small):>4} runs", flush=True)
    median = statistics.median(deviations)
    print(f"median: {median:g} deviations (at most {max(deviations)}), {statistics.median(attempts):g} runs")
    if median > DEVIATIONS_MEDIAN_MAX:
        wrong.append(f"the median is {median:g} deviations")
    print("\n".join(wrong) or f"all replay to one digest, {REPLAYS} times each")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
