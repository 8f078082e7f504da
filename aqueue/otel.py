"""Traces and metrics for OpenTelemetry: `instrument(q)`. The extra `otel`.

A job carries the context of whoever enqueued it in its headers (W3C Trace Context, or what the global propagator says),
and each attempt is a span below it. Names and units follow the semantic conventions for messaging.
An attempt that raised, or ran into its deadline, is an error. One that was snoozed, cancelled or released is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import anyio

from aqueue.errors import MissingExtra

try:
    from opentelemetry import metrics, propagate, trace
    from opentelemetry.trace import SpanKind, Status, StatusCode
except ImportError as error:
    raise MissingExtra("aqueue.otel", "opentelemetry-api", "otel", error) from error

from aqueue.context import Context
from aqueue.hub import Call
from aqueue.observing import Notice
from aqueue.policy import Snooze

if TYPE_CHECKING:
    from aqueue.queue import Queue

__all__ = ["instrument"]

_PROCESS: Final[Mapping[str, str]] = {"messaging.system": "aqueue", "messaging.operation.name": "process"}


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
            **_PROCESS,
            "messaging.operation.type": "process",
            "messaging.destination.name": ctx.task,
            "messaging.message.id": str(ctx.job_id),
            "aqueue.attempt": ctx.attempt,
        }
        parent = propagate.extract(dict(ctx.headers))
        with tracer.start_as_current_span(
            f"process {ctx.task}", parent, SpanKind.CONSUMER, attributes,
            record_exception=False, set_status_on_exception=False,
        ) as span:  # fmt: skip
            try:
                return await call()
            except Snooze:
                raise
            except Exception as error:
                span.record_exception(error)
                _mark(span, type(error).__qualname__, f"{type(error).__name__}: {error}")
                raise
            except anyio.get_cancelled_exc_class():
                if ctx.deadline <= anyio.current_time():
                    _mark(span, "timeout", "the attempt ran into its deadline")
                raise

    queue.add_headers(carried)
    queue.use(traced)
    queue.observe(_Meter(metrics.get_meter("aqueue", meter_provider=meter_provider)))


def _mark(span: trace.Span, kind: str, told: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, told))


class _Meter:
    """Counts notices."""

    def __init__(self, meter: metrics.Meter) -> None:
        self._enqueued = meter.create_counter("aqueue.jobs.enqueued", unit="{job}", description="Jobs enqueued.")
        self._settled = meter.create_counter(
            "aqueue.attempts", unit="{attempt}", description="Attempts, by what became of the job."
        )
        self._lost = meter.create_counter(
            "aqueue.leases.lost", unit="{lease}", description="Attempts that lost their job."
        )
        self._rescued = meter.create_counter(
            "aqueue.jobs.rescued", unit="{job}", description="Jobs freed from dead workers."
        )
        self._took = meter.create_histogram(
            "messaging.process.duration", unit="s", description="From claim to settlement."
        )
        self._waited = meter.create_histogram("aqueue.due.duration", unit="s", description="From due to claimed.")

    def notice(self, notice: Notice) -> None:
        of_task = {"messaging.destination.name": notice.task or ""}
        if notice.name == "enqueued":
            self._enqueued.add(1, of_task)
        elif notice.name == "claimed" and notice.seconds is not None:
            self._waited.record(notice.seconds, of_task)
        elif notice.name == "settled":
            self._settled.add(1, {**of_task, "aqueue.state": notice.state or ""})
            if notice.seconds is not None:
                self._took.record(notice.seconds, {**_PROCESS, **of_task})
        elif notice.name == "lease_lost":
            self._lost.add(1, of_task)
        elif notice.name == "rescued":
            self._rescued.add(1)
