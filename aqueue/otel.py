"""Traces and metrics for OpenTelemetry: `instrument(q)`. The extra `otel`.

A job carries the context of whoever enqueued it in its headers (W3C Trace Context, or what the global propagator says),
and each attempt is a span below it. Names follow the semantic conventions for messaging.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, propagate, trace
from opentelemetry.trace import SpanKind

from aqueue.context import Context
from aqueue.hub import Call
from aqueue.observing import Notice

if TYPE_CHECKING:
    from aqueue.queue import Queue

__all__ = ["instrument"]


def instrument(
    queue: Queue,
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
) -> None:
    """Have the queue make spans and metrics. Providers: the global ones by default. Once per queue, before it works."""
    tracer = trace.get_tracer("aqueue", tracer_provider=tracer_provider)

    def carried() -> dict[str, str]:
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier

    async def traced(ctx: Context, call: Call) -> Any:
        attributes: dict[str, str | int] = {
            "messaging.system": "aqueue",
            "messaging.operation.type": "process",
            "messaging.destination.name": ctx.task,
            "messaging.message.id": str(ctx.job_id),
            "aqueue.attempt": ctx.attempt,
        }
        parent = propagate.extract(dict(ctx.headers))
        with tracer.start_as_current_span(f"process {ctx.task}", parent, SpanKind.CONSUMER, attributes):
            return await call()

    queue.add_headers(carried)
    queue.use(traced)
    queue.observe(_Meter(metrics.get_meter("aqueue", meter_provider=meter_provider)))


class _Meter:
    """Counts notices."""

    def __init__(self, meter: metrics.Meter) -> None:
        self._enqueued = meter.create_counter("aqueue.jobs.enqueued")
        self._settled = meter.create_counter("aqueue.attempts")
        self._lost = meter.create_counter("aqueue.leases.lost")
        self._rescued = meter.create_counter("aqueue.jobs.rescued")
        self._took = meter.create_histogram("messaging.process.duration", unit="s")
        self._waited = meter.create_histogram("aqueue.due.duration", unit="s")

    def notice(self, notice: Notice) -> None:
        of_task = {"messaging.destination.name": notice.task or ""}
        if notice.name == "enqueued":
            self._enqueued.add(1, of_task)
        elif notice.name == "claimed" and notice.seconds is not None:
            self._waited.record(notice.seconds, of_task)
        elif notice.name == "settled":
            self._settled.add(1, {**of_task, "aqueue.state": notice.state or ""})
            if notice.seconds is not None:
                self._took.record(notice.seconds, of_task)
        elif notice.name == "lease_lost":
            self._lost.add(1, of_task)
        elif notice.name == "rescued":
            self._rescued.add(1)
