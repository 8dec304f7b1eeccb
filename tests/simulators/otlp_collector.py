"""A collector on loopback that takes OTLP over HTTP, as an operator's collector does, and keeps the spans."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class CollectedSpan:
    """One span. Ids are hex; ``parent`` is empty at the root; ``links`` are the span ids it has to do with."""

    trace: str
    id: str
    parent: str
    name: str
    service: str
    attributes: dict[str, Any]
    links: frozenset[str] = frozenset()
    failed: bool = False


@dataclass
class Collector:
    port: int
    spans: list[CollectedSpan] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def until(self, found: Callable[[list[CollectedSpan]], bool], deadline: float = 60) -> list[CollectedSpan]:
        """The spans, once ``found`` says they are all there. Fails with what there is."""
        try:
            async with asyncio.timeout(deadline):
                while not found(self.spans):
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            there = "\n".join(f"{s.service} {s.name} {s.trace[:6]} <{s.parent}" for s in self.spans)
            raise AssertionError(f"not all spans came; there are:\n{there}") from None
        return list(self.spans)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = _values(resource.resource.attributes)
            self.spans += [_seen(s, about["service.name"]) for scope in resource.scope_spans for s in scope.spans]
        self.news.set()
        return web.Response(body=b"", content_type="application/x-protobuf")


def _values(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}


def _seen(span: Any, service: str) -> CollectedSpan:
    return CollectedSpan(
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        service=service,
        attributes=_values(span.attributes),
        links=frozenset(link.span_id.hex() for link in span.links),
        failed=span.status.code == 2,
    )


@asynccontextmanager
async def open_collector() -> AsyncIterator[Collector]:
    collector = Collector(0)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    collector.port = runner.addresses[0][1]
    try:
        yield collector
    finally:
        await runner.cleanup()
