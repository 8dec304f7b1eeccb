"""Traces over OpenTelemetry, sent to a collector by OTLP/HTTP. The only importer of its SDK, an extra (`telemetry`)."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from schemas.errors import MissingDependency, ParleyError
from schemas.runtime import tracing
from schemas.runtime.optional_dependencies import install_command
from schemas.runtime.tracing import Kind, Value

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanContext

EXPORT_TIMEOUT = 5.0
"""Seconds; a collector that is down may delay the end of a process no longer."""
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@asynccontextmanager
async def record_traces(endpoint: str, *, role: str, sample: float = 1.0) -> AsyncIterator[None]:
    """Record the spans of this process inside the block and send them to ``endpoint`` (``http://collector:4318``).
    Empty: nothing is recorded. ``sample`` is the share of new traces that is kept; spans that join a trace follow its
    decision. Raises MissingDependency."""
    if not endpoint:
        yield
        return
    try:
        provider = _provider(endpoint.rstrip("/"), role, sample)
    except ImportError as error:
        fix = f"{install_command('telemetry')}, or leave `telemetry.otlp_endpoint` empty"
        raise MissingDependency("traces need the OpenTelemetry SDK", fix=fix) from error
    tracing.install(OpenTelemetryTracer(provider))
    try:
        yield
    finally:
        tracing.install(None)
        await asyncio.to_thread(provider.shutdown)


def member_name() -> str:
    """The name of this process among its kind (``PARLEY_MEMBER``), empty when it has none."""
    name = os.environ.get("PARLEY_MEMBER", "")
    return socket.gethostname() if name == "hostname" else name


def _provider(endpoint: str, role: str, sample: float) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    member = member_name() or f"{role}-{os.getpid()}"
    attributes = {"service.namespace": "parley", "service.name": f"parley-{role}", "service.instance.id": member}
    # ParentBased: all processes keep the same traces, so that none is kept in part.
    provider = TracerProvider(
        resource=Resource.create(attributes), sampler=ParentBased(TraceIdRatioBased(sample)), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=EXPORT_TIMEOUT)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    return provider


class _OpenTelemetrySpan:
    """``schemas.runtime.tracing.Span`` over the SDK's."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def set(self, name: str, value: Value) -> None:
        self._span.set_attribute(name, value)


class OpenTelemetryTracer:
    """``schemas.runtime.tracing.Tracer`` over a provider of the SDK."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace

        self._api = trace
        self._tracer = provider.get_tracer("parley")
        self._kinds: dict[Kind, trace.SpanKind] = {
            "server": trace.SpanKind.SERVER,
            "producer": trace.SpanKind.PRODUCER,
            "consumer": trace.SpanKind.CONSUMER,
            "client": trace.SpanKind.CLIENT,
            "internal": trace.SpanKind.INTERNAL,
        }

    @contextmanager
    def span(self, name: str, parent: str, kind: Kind, attributes: Mapping[str, Value]) -> Iterator[_OpenTelemetrySpan]:
        remote = self._remote(parent)
        # An exception's text may hold a contact's message: only its type is recorded.
        with self._tracer.start_as_current_span(
            name,
            context=None if remote is None else self._api.set_span_in_context(self._api.NonRecordingSpan(remote)),
            kind=self._kinds[kind],
            attributes=dict(attributes),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield _OpenTelemetrySpan(span)
            except Exception as error:
                kind_of = error.code if isinstance(error, ParleyError) else type(error).__name__
                span.set_attribute("error.type", kind_of)
                span.set_status(self._api.StatusCode.ERROR, kind_of)
                raise

    def link(self, traceparents: Iterable[str]) -> None:
        span = self._api.get_current_span()
        for text in dict.fromkeys(traceparents):
            context = self._remote(text)
            if context is not None:
                span.add_link(context)

    def traceparent(self) -> str:
        context = self._api.get_current_span().get_span_context()
        if not context.is_valid:
            return ""
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"

    def _remote(self, traceparent: str) -> SpanContext | None:
        parts = _TRACEPARENT.fullmatch(traceparent)
        if parts is None:
            return None
        trace_id, span_id, flags = (int(part, 16) for part in parts.groups())
        context = self._api.SpanContext(trace_id, span_id, is_remote=True, trace_flags=self._api.TraceFlags(flags))
        return context if context.is_valid else None
