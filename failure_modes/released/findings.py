"""What was found in released queues: which library, which release, which failure mode, under which fault.

Rule 1: data. It imports none of the libraries, so that the documentation can ask it where they are not installed.
Rule 2: what a library documents of the matter is said, next to what was seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Faults:
    """What an exploration is told of faults. kinds, tasks: as `faultloop.explore` takes them.   runs: its budget."""

    kinds: tuple[str, ...]
    tasks: str
    runs: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One failure of one release.

    name: its module's, in this folder.   mode: the failure mode that it is an instance of, `FM_004`.   violated: what
    should hold and does not, a sentence.   found: what `scenario` is explored with, and fails.   said: a part of what
    it then says.   fault: one address that shows it again.   held: what `control` is explored with, and holds.
    control: what the control does otherwise, a sentence.   documented: what the library says of it, a sentence.
    """

    name: str
    library: str
    version: str
    server: Literal["Redis", "PostgreSQL"]
    mode: str
    violated: str
    found: Faults
    said: str
    fault: str
    held: Faults
    control: str
    documented: str

    @property
    def module(self) -> str:
        """Where its scenarios are imported from."""
        return f"failure_modes.released.{self.name}"

    @property
    def path(self) -> str:
        """Where its scenarios stand, from the project's root."""
        return f"failure_modes/released/{self.name}.py"


FINDINGS = (
    Finding(
        name="arq_hook_after_effect",
        library="arq",
        version="0.28.0",
        server="Redis",
        mode="FM_029",
        violated="An error in a hook that runs after a job changes nothing about the job.",
        found=Faults(("fail:OSError",), "metrics", runs=6),
        said="was paid 2 times",
        fault="fail:OSError metrics @ send>sleep #1 parked",
        held=Faults(("fail:OSError",), "metrics", runs=6),
        control="The hook keeps its own errors to itself.",
        documented="`after_job_end` is for after the result is recorded; what errors in `on_job_end` do is not said.",
    ),
    Finding(
        name="arq_swallowed_cancel",
        library="arq",
        version="0.28.0",
        server="Redis",
        mode="FM_024",
        violated="A job that is over its timeout does not keep its slot, and is not booked as complete.",
        found=Faults(("delay:30s",), "service", runs=6),
        said="its timeout is 5 s; complete 1",
        fault="delay:30s service @ answer>sleep #1 woken",
        held=Faults(("delay:30s",), "service", runs=6),
        control="The handler lets its cancellation pass.",
        documented="Nothing. The handler is at fault, and asyncio could not end it either; but nobody is told.",
    ),
    Finding(
        name="pgqueuer_cancel_drops_job",
        library="pgqueuer",
        version="1.6.0",
        server="PostgreSQL",
        mode="FM_015",
        violated="A job that nobody asked to cancel is done, or still there.",
        found=Faults(("cancel",), "*_dispatch*", runs=5),
        said="is gone and was not done",
        fault="cancel *_dispatch* @ pay>sleep #1 parked",
        held=Faults(("cancel",), "worker-1", runs=40),
        control="The task that runs the manager is cancelled, not that of the job: it waits until the job is done.",
        documented="That a job can be cancelled, by its id; that a cancelled task is taken for that is not said.",
    ),
    Finding(
        name="pgqueuer_zombie",
        library="pgqueuer",
        version="1.6.0",
        server="PostgreSQL",
        mode="FM_023",
        violated="Only the manager that has a job now settles it.",
        found=Faults(("pause:30s",), "*_dispatch*", runs=3),
        said="by somebody else",
        fault="pause:30s *_dispatch* @ pay>sleep #1 parked",
        held=Faults(("pause:3s",), "*_dispatch*", runs=6),
        control="The pause is shorter than a heartbeat may be late.",
        documented="That a job with an old heartbeat is picked again; what its first manager does then is not said.",
    ),
    Finding(
        name="procrastinate_zombie",
        library="procrastinate",
        version="3.10.0",
        server="PostgreSQL",
        mode="FM_023",
        violated="Only the worker that has a job now settles it.",
        found=Faults(("pause:30s",), "*process?job*", runs=3),
        said="by somebody else",
        fault="pause:30s *process?job?pay* @ pay>sleep #1 parked",
        held=Faults(("pause:3s",), "*process?job*", runs=6),
        control="The pause is over before anybody looks for stalled jobs.",
        documented="How stalled jobs are retried, by the user's task; what their first worker does then is not said.",
    ),
    Finding(
        name="saq_cancel_after_claim",
        library="saq",
        version="0.26.4",
        server="Redis",
        mode="FM_003",
        violated="A job that was claimed and not begun when its worker is stopped can be claimed by the next one.",
        found=Faults(("delay:2500ms",), "process*", runs=12),
        said="nobody has it",
        fault="delay:2500ms process @ Worker.process>Worker.process #8 woken",
        held=Faults(("delay:2500ms",), "process*", runs=24),
        control="`shutdown_grace_period_s=10`: who stops a worker waits for it.",
        documented="That a sweep, every 60 s, cleans up jobs that are stuck: such a job is late, not lost.",
    ),
    Finding(
        name="saq_cancel_during_ack",
        library="saq",
        version="0.26.4",
        server="Redis",
        mode="FM_004",
        violated="A job that is done is not run again because its worker was stopped.",
        found=Faults(("delay:1500ms",), "process*", runs=20),
        said="was paid 2 times",
        fault="delay:1500ms process @ Worker.process>Worker.process #16 woken",
        held=Faults(("delay:1500ms",), "process*", runs=24),
        control="`shutdown_grace_period_s=10`: who stops a worker waits for it.",
        documented="That jobs are cancelled when the grace period is over; there is none by default.",
    ),
)
