"""Whether a queue that runs for long stays as large as it was: a million jobs, sampled on the way.

    python benchmarks/memory.py [--jobs 1000000] [--store sqlite|memory] [--traced]

One process enqueues and works; handlers do next to nothing. Ended jobs are kept for a second, so what is stored
is bounded too. A sample is taken 20 times: resident memory, objects the garbage collector knows, the file and its log,
jobs that are stored. --traced: what Python has allocated, which makes it several times slower. Exit code 1 if the
largest sample of the last quarter is more than 5 % and 4 MB above the largest of the second quarter.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import anyio

# In place of this file's folder, where queue.py would hide the standard library's `queue`.
sys.path[0] = str(Path(__file__).parent.parent)

from aqueue import Queue, Retention  # noqa: E402 - not before the line above

SAMPLES = 20
BACKLOG = 200
BATCH = 100
MB = 1_048_576


@dataclass(frozen=True, slots=True)
class Sample:
    """jobs: done so far.   resident, traced, stored_bytes: in bytes; traced: 0 unless asked for."""

    jobs: int
    resident: int
    traced: int
    objects: int
    stored_bytes: int
    stored_jobs: int
    cpu_seconds: float


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Measurement:
    """One queue, its producer, and the samples."""

    def __init__(self, url: str, folder: str, jobs: int) -> None:
        """Describe the queue."""
        self.q = Queue(url, durability="process", retention=Retention(succeeded=1.0, cancelled=1.0))
        self.folder = Path(folder)
        self.jobs = jobs
        self.done = 0
        self.progress = anyio.Event()
        self.samples: list[Sample] = []

        @self.q.task(timeout=30)
        async def work(number: int) -> int:
            self.done += 1
            if self.done % BATCH == 0 or self.done == self.jobs:
                self.progress.set()
            return number

        self.work = work

    async def run(self) -> None:
        """Enqueue and work until all is done."""
        async with self.q, self.q.worker(concurrency=50, sweep=0.25):
            enqueued, due = 0, 0
            while self.done < self.jobs:
                self.progress = anyio.Event()
                while enqueued < self.jobs and enqueued - self.done < BACKLOG:
                    count = min(BATCH, self.jobs - enqueued)
                    await self.q.enqueue_many(self.work.job(enqueued + number) for number in range(count))
                    enqueued += count
                if self.done >= due:
                    await self._sample()
                    due += self.jobs // SAMPLES
                with anyio.move_on_after(1):
                    await self.progress.wait()
            await self._sample()

    async def _sample(self) -> None:
        counts = await self.q.counts()
        gc.collect()
        traced, _ = tracemalloc.get_traced_memory() if tracemalloc.is_tracing() else (0, 0)
        stored = sum(file.stat().st_size for file in self.folder.iterdir())
        self.samples.append(
            Sample(
                self.done,
                resident_bytes(),
                traced,
                len(gc.get_objects()),
                stored,
                sum(counts.values()),
                time.process_time(),
            )
        )
        sys.stdout.write(row_of(self.samples[-1]) + "\n")
        sys.stdout.flush()


def row_of(sample: Sample) -> str:
    """A line of the table."""
    traced = f"{sample.traced / MB:.1f}" if sample.traced else "–"
    return (
        f"| {sample.jobs:,} | {sample.resident / MB:.1f} | {traced} | {sample.objects:,} | "
        f"{sample.stored_bytes / MB:.1f} | {sample.stored_jobs:,} | {sample.cpu_seconds:.0f} |"
    )


def growth_of(samples: list[Sample]) -> tuple[int, int]:
    """Bytes: the largest sample of the second quarter, and of the last one."""
    quarter = max(1, len(samples) // 4)
    sizes = [sample.traced or sample.resident for sample in samples]
    return max(sizes[quarter : 2 * quarter]), max(sizes[-quarter:])


def main() -> None:
    """Measure, and say whether it stayed flat."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--store", choices=("sqlite", "memory"), default="sqlite")
    parser.add_argument("--traced", action="store_true")
    chosen = parser.parse_args()
    if chosen.traced:
        tracemalloc.start()
    with tempfile.TemporaryDirectory(prefix="memory-") as folder:
        url = f"sqlite:///{folder}/jobs.db" if chosen.store == "sqlite" else "memory:"
        measurement = Measurement(url, folder, chosen.jobs)
        sys.stdout.write("| jobs | MB resident | MB traced | objects | MB of files | jobs stored | CPU s |\n")
        sys.stdout.write("|---:|---:|---:|---:|---:|---:|---:|\n")
        anyio.run(measurement.run)
    before, after = growth_of(measurement.samples)
    is_flat = after - before <= max(0.05 * before, 4 * MB)
    sys.stdout.write(
        f"second quarter at most {before / MB:.1f} MB, last quarter at most {after / MB:.1f} MB: "
        f"{'flat' if is_flat else 'it grows'}\n"
    )
    sys.exit(not is_flat)


if __name__ == "__main__":
    main()
