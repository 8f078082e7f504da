"""Middleware, observers, adapters, retry ownership: what surrounds a handler and who hears of it."""

import importlib
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
import structlog
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from aqueue import (
    Call,
    Context,
    LoopClock,
    MemoryStore,
    MissingExtra,
    Notice,
    Queue,
    Reject,
    Retry,
    Snooze,
    may_retry,
    no_retry_below,
    retried,
    retry_headers,
    retry_owner,
)
from aqueue.otel import instrument
from aqueue.prometheus import PrometheusObserver

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend(virtual: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return virtual


@pytest.fixture
def q() -> Queue:
    return Queue(MemoryStore(), clock=LoopClock(), random=Random(0))


class Ears:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Notice] = []

    def notice(self, notice: Notice) -> None:
        self.heard.append(notice)

    def names(self) -> list[str]:
        return [notice.name for notice in self.heard if not notice.name.startswith("worker")]


# Middleware.


async def test_middleware_wraps_the_handler_in_order_and_may_change_what_it_returns(q: Queue):
    told: list[str] = []

    def named(name: str) -> Any:
        async def middleware(ctx: Context, call: Call) -> Any:
            told.append(f"{name} before {ctx.task}")
            try:
                return await call() + name
            finally:
                told.append(f"{name} after")

        return middleware

    q.use(named("outer"))
    q.use(named("inner"))

    @q.task()
    async def work() -> str:
        told.append("handler")
        return "result "

    async with q:
        job = await work.enqueue()
        await q.run_until_idle()
        assert await job.result() == "result innerouter"
    assert told == ["outer before work", "inner before work", "handler", "inner after", "outer after"]


async def test_what_middleware_raises_is_what_the_try_raised(q: Queue):
    async def refuse(ctx: Context, call: Call) -> Any:
        if ctx.attempt == 1:
            raise OSError("not yet")
        raise Reject("never")

    q.use(refuse)

    @q.task(retry=Retry(3, base=0))
    async def work() -> None:
        raise AssertionError("it is not called")

    async with q:
        job = await work.enqueue()
        await q.run_until_idle()
        info = await job.info()
        assert (info.dead_reason, info.attempt) == ("rejected", 2)


# Observers.


async def test_an_observer_hears_the_life_of_a_job(q: Queue):
    ears = Ears()
    q.observe(ears)

    @q.task(retry=Retry(2, base=0))
    async def flaky(ctx: Context) -> None:
        await anyio.sleep(2)
        if ctx.attempt < 3:
            raise OSError("no")

    async with q:
        job = await flaky.enqueue()
        await q.run_until_idle()
        await job.redrive()
        await q.run_until_idle()
    once = ["claimed", "started", "settled"]
    assert ears.names() == ["enqueued", *once, *once, "redriven", *once]
    settled = [notice for notice in ears.heard if notice.name == "settled"]
    assert [notice.state for notice in settled] == ["pending", "dead", "succeeded"]
    assert [notice.seconds for notice in settled] == [pytest.approx(2)] * 3
    assert [notice.attempt for notice in settled] == [1, 2, 3]
    assert settled[0].detail == "OSError: no"


async def test_lost_leases_rescues_and_cancels_are_told(q: Queue):
    ears = Ears()
    q.observe(ears)

    @q.task(timeout=1, retry=Retry(1))
    async def unkillable() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(60)

    @q.task()
    async def cancelled() -> None:
        await anyio.sleep_forever()

    async with q, q.worker(lease=5, sweep=1, grace=1):
        await unkillable.enqueue()
        job = await cancelled.enqueue()
        await anyio.sleep(1)
        await job.cancel()
        await anyio.sleep(100)
    assert {"rescued", "lease_lost", "cancel_requested"} <= set(ears.names())


async def test_an_observer_that_raises_changes_nothing_and_is_named(q: Queue, caplog: pytest.LogCaptureFixture):
    """FM_029: a metrics backend that is down must not make a job run twice."""

    class Broken:
        def notice(self, notice: Notice) -> None:
            raise RuntimeError("metrics backend down")

    ears = Ears()
    q.observe(Broken())
    q.observe(ears)
    ran: list[int] = []

    @q.task()
    async def work() -> None:
        ran.append(1)

    with caplog.at_level(logging.WARNING, logger="aqueue"):
        async with q:
            job = await work.enqueue()
            await q.run_until_idle()
            assert ((await job.info()).state, ran) == ("succeeded", [1])
    assert ears.names() == ["enqueued", "claimed", "started", "settled"]
    assert "metrics backend down" in caplog.text


async def test_log_lines_of_a_handler_carry_its_job(q: Queue):
    seen: list[dict[str, Any]] = []

    @q.task()
    async def work() -> None:
        seen.append(dict(structlog.contextvars.get_contextvars()))

    async with q:
        job = await work.enqueue()
        await q.run_until_idle()
    assert seen == [{"job_id": job.id, "task": "work", "attempt": 1}]
    assert structlog.contextvars.get_contextvars() == {}


# Adapters, with the real libraries.


async def test_opentelemetry_gets_a_span_per_attempt_below_the_enqueuers(q: Queue):
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    instrument(q, tracer_provider=provider, meter_provider=MeterProvider([reader]))

    @q.task(retry=Retry(2, base=0))
    async def work(ctx: Context) -> None:
        if ctx.attempt == 1:
            raise OSError("no")

    async with q:
        with provider.get_tracer("test").start_as_current_span("request") as request:
            await work.enqueue()
        await q.run_until_idle()
    finished = {span.name: span for span in spans.get_finished_spans()}
    attempts = [span for span in spans.get_finished_spans() if span.name == "process work"]
    assert [span.parent.span_id for span in attempts if span.parent] == [request.get_span_context().span_id] * 2
    assert {span.context.trace_id for span in attempts} == {finished["request"].context.trace_id}
    assert [span.status.is_ok for span in attempts] == [False, True]
    assert [dict(span.attributes or {})["aqueue.attempt"] for span in attempts] == [1, 2]
    data = reader.get_metrics_data()
    assert data is not None
    points = {
        (metric.name, (point.attributes or {}).get("aqueue.state")): point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }
    assert points["aqueue.jobs.enqueued", None].value == 1  # type: ignore[union-attr]
    assert points["aqueue.attempts", "pending"].value == 1  # type: ignore[union-attr]
    assert points["aqueue.attempts", "succeeded"].value == 1  # type: ignore[union-attr]
    assert points["messaging.process.duration", None].count == 2  # type: ignore[union-attr]


async def test_an_attempt_that_ran_into_its_deadline_is_an_error_and_a_snoozed_or_cancelled_one_is_none(q: Queue):
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    instrument(q, tracer_provider=provider, meter_provider=MeterProvider([]))

    @q.task(retry=Retry(1), timeout=1)
    async def slow() -> None:
        await anyio.sleep(9)

    @q.task(retry=Retry(1))
    async def asked() -> None:
        await anyio.sleep(9)

    @q.task(retry=Retry(1))
    async def later(ctx: Context) -> None:
        if ctx.attempt == 1:
            raise Snooze(1)

    @q.task(retry=Retry(1))
    async def refused() -> None:
        raise Reject("no such order")

    async with q:
        for task in (slow, later, refused):
            await task.enqueue()
        async with q.worker():
            job = await asked.enqueue()
            await anyio.sleep(2)
            await job.cancel()
            await anyio.sleep(2)
    told = [
        (span.name, span.status.status_code.name, (span.attributes or {}).get("error.type"))
        for span in sorted(spans.get_finished_spans(), key=lambda span: span.name)
    ]
    assert told == [
        ("process asked", "UNSET", None), ("process later", "UNSET", None), ("process later", "UNSET", None),
        ("process refused", "ERROR", "Reject"), ("process slow", "ERROR", "timeout"),
    ]  # fmt: skip


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    ("module", "library", "extra"),
    [
        ("aqueue.otel", "opentelemetry", "otel"),
        ("aqueue.prometheus", "prometheus_client", "prometheus"),
        ("aqueue.store.postgres.store", "psycopg", "postgres"),
        ("aqueue.cron", "cronsim", "cron"),
    ],
)
async def test_what_needs_a_library_that_is_not_installed_names_the_extra(
    module: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, module)
    asks: dict[str, Callable[[], object]] = {
        "postgres": lambda: Queue("postgresql://user@host/database"),
        "cron": lambda: Queue("memory:").cron("0 3 * * *"),
    }
    with pytest.raises(MissingExtra, match=rf"AQ012 .*cannot be imported.*pip install 'faultloop\[{extra}\]'") as told:
        asks.get(extra, lambda: importlib.import_module(module))()
    assert isinstance(told.value, ModuleNotFoundError), "as any import of what is not there"


async def test_prometheus_counts_attempts_and_stored_jobs(q: Queue):
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry)
    q.observe(observer)

    @q.task(retry=Retry(2, base=0))
    async def work(ctx: Context) -> None:
        await anyio.sleep(3)
        if ctx.attempt == 1:
            raise OSError("no")

    async with q:
        await work.enqueue()
        await work.options(delay=3600).enqueue()
        with anyio.move_on_after(60):
            async with q.worker():
                await anyio.sleep_forever()
        await observer.refresh(q)
    of = registry.get_sample_value
    assert of("aqueue_jobs_enqueued_total", {"task": "work"}) == 2
    assert of("aqueue_attempts_total", {"task": "work", "state": "pending"}) == 1
    assert of("aqueue_attempts_total", {"task": "work", "state": "succeeded"}) == 1
    assert of("aqueue_attempt_seconds_sum", {"task": "work"}) == pytest.approx(6)
    assert of("aqueue_jobs", {"state": "pending"}) == 1
    assert of("aqueue_jobs", {"state": "succeeded"}) == 1


# Who retries.


async def test_a_client_below_a_task_that_retries_calls_once(q: Queue):
    """FM_008: a job of three tries over a client of three is three calls, not nine."""
    calls: list[str | None] = []

    async def request() -> None:
        calls.append(retry_owner())
        raise ConnectionError

    @q.task(retry=Retry(3, base=0))
    async def owned() -> None:
        await retried(request, Retry(3, base=0), random=Random(0))

    @q.task(retry=Retry(1))
    async def left_to_the_client() -> None:
        await retried(request, Retry(3, base=0), random=Random(0))

    async with q:
        await owned.enqueue()
        await q.run_until_idle()
        assert calls == ["aqueue:owned"] * 3
        calls.clear()
        await left_to_the_client.enqueue()
        await q.run_until_idle()
        assert calls == ["retried"] * 3


async def test_who_retries_travels_in_context_and_in_a_header(q: Queue):
    @q.task(retry=Retry(1))
    async def work() -> tuple[bool, str | None]:
        return may_retry(), retry_owner()

    assert (may_retry(), retry_headers()) == (True, {})
    async with q:
        with no_retry_below("gateway"), no_retry_below("inner"):
            assert (may_retry(), retry_owner()) == (False, "gateway")
            assert retry_headers() == {"Retry-Owner": "gateway"}
            jobs = [await work.options(headers=retry_headers()).enqueue(), await work.enqueue()]
        await q.run_until_idle()
        assert [await job.result() for job in jobs] == [(False, "gateway"), (True, None)]
    assert may_retry()


async def test_a_client_retries_what_its_policy_says_and_no_more():
    calls: list[int] = []

    async def third_time() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionError
        return "yes"

    async def fatal() -> None:
        calls.append(1)
        raise ValueError("fatal")

    assert await retried(third_time, Retry(3, base=1), random=Random(0)) == "yes"
    calls.clear()
    with pytest.raises(ValueError, match="fatal"):
        await retried(fatal, Retry(3, never=(ValueError,)), random=Random(0))
    assert calls == [1]


# A worker as a program.

SERVICE = """
    import logging
    import sys
    import anyio
    from aqueue import Queue

    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    q = Queue(sys.argv[1], durability="process")

    @q.task()
    async def work(how: str) -> str:
        print("started", how, flush=True)
        if how == "long":
            await anyio.sleep_forever()
        await anyio.sleep(0.05)
        return "done"

    anyio.run(q.run, backend=sys.argv[2])
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(("how", "signals", "state"), [("short", 1, "succeeded"), ("long", 2, "pending")])
def test_a_signal_drains_a_worker_and_a_second_one_releases_its_jobs(
    tmp_path: Path, backend: str, how: str, signals: int, state: str
):
    url = f"sqlite:///{tmp_path}/jobs.db"
    q = Queue(url, durability="process")

    @q.task()
    async def work(how: str) -> str:
        return how

    async def enqueue() -> Any:
        async with q:
            return await work.enqueue(how)

    async def info() -> Any:
        async with q:
            return await job.info()

    job = anyio.run(enqueue)
    command = [sys.executable, "-c", textwrap.dedent(SERVICE), url, backend]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "worker.ready" in process.stdout.readline()
        assert process.stdout.readline() == f"started {how}\n"
        os.kill(process.pid, signal.SIGTERM)
        assert "signal.received" in process.stdout.readline()
        if signals == 2:
            os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
    assert anyio.run(info).state == state
