"""How large a trace is: the head of a file, what a deviation adds, and what an event adds.

    python benchmarks/size.py [--seeds 20]

Of the small scenario in drawn orders, and of a program with very many events. Sparse is a trace without what was
recorded: no events, and neither the tasks nor the places that these speak of. The same on every machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

if __name__ == "__main__":  # in place of this file's folder, where queue.py would hide the standard library's `queue`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import msgspec

from benchmarks import workloads
from faultloop import Limits, Trace, run
from faultloop.search.tracefile import encode_trace
from tests.report.programs import many_events

HEAD_BYTES_MAX = 2_048
DEVIATION_BYTES_MAX = 12
EVENT_BYTES_MAX = 120


def sparse(trace: Trace) -> int:
    """Bytes without what was recorded."""
    return len(encode_trace(msgspec.structs.replace(trace, events=(), sites=(), tasks=())))


def per_event(trace: Trace) -> float:
    """Bytes that each event takes, with its share of the tasks and places that it speaks of."""
    return (len(encode_trace(trace)) - sparse(trace)) / len(trace.events)


def main() -> int:
    """Print it. Returns 1 where it is more than was aimed at."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    seeds: int = parser.parse_args().seeds
    calm = run(workloads.small).trace
    drawn = [run(workloads.small, order="batch", seed=seed).trace for seed in range(1, seeds + 1)]
    head = sparse(calm)
    deviation = statistics.median((sparse(trace) - head) / trace.deviations for trace in drawn if trace.deviations)
    most = run(many_events, limits=Limits(events=120_000)).trace
    figures = {
        "sparse, nothing deviates": (head, HEAD_BYTES_MAX),
        "each deviation adds": (deviation, DEVIATION_BYTES_MAX),
        f"an event, of {len(calm.events):,}": (per_event(calm), EVENT_BYTES_MAX),
        f"an event, of {len(most.events):,}": (per_event(most), EVENT_BYTES_MAX),
    }
    for what, (size, limit) in figures.items():
        print(f"{what:<28}{size:8,.1f} bytes   target {limit:,}: {'reached' if size < limit else 'MISSED'}")
    return int(any(size >= limit for size, limit in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
