"""Metrics for Prometheus: `q.observe(PrometheusObserver())`. The extra `prometheus`.

Counters and histograms say what this process did; the gauge of stored jobs is read by `refresh`, over all processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aqueue.errors import MissingExtra

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
except ImportError as error:
    raise MissingExtra("aqueue.prometheus", "prometheus-client", "prometheus", error) from error

from aqueue.observing import Notice

if TYPE_CHECKING:
    from aqueue.queue import Queue

__all__ = ["PrometheusObserver"]

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800, float("inf"))


class PrometheusObserver:
    """Counts notices. One per registry."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Register the metrics."""
        self._enqueued = Counter("aqueue_jobs_enqueued", "Jobs enqueued.", ["task"], registry=registry)
        self._settled = Counter(
            "aqueue_attempts", "Attempts, by what became of the job.", ["task", "state"], registry=registry
        )
        self._lost = Counter("aqueue_leases_lost", "Attempts that lost their job.", ["task"], registry=registry)
        self._rescued = Counter("aqueue_jobs_rescued", "Jobs freed from dead workers.", registry=registry)
        self._took = Histogram(
            "aqueue_attempt_seconds", "From claim to settlement.", ["task"], registry=registry, buckets=_SECONDS
        )
        self._waited = Histogram(
            "aqueue_due_seconds", "From due to claimed.", ["task"], registry=registry, buckets=_SECONDS
        )
        self._jobs = Gauge("aqueue_jobs", "Stored jobs, by state, when last refreshed.", ["state"], registry=registry)

    def notice(self, notice: Notice) -> None:
        """Count it."""
        task = notice.task or ""
        if notice.name == "enqueued":
            self._enqueued.labels(task).inc()
        elif notice.name == "claimed" and notice.seconds is not None:
            self._waited.labels(task).observe(notice.seconds)
        elif notice.name == "settled":
            self._settled.labels(task, notice.state).inc()
            if notice.seconds is not None:
                self._took.labels(task).observe(notice.seconds)
        elif notice.name == "lease_lost":
            self._lost.labels(task).inc()
        elif notice.name == "rescued":
            self._rescued.inc()

    async def refresh(self, queue: Queue) -> None:
        """Read the number of jobs in each state from the store."""
        for state, count in (await queue.counts()).items():
            self._jobs.labels(state).set(count)
