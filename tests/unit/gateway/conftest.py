"""A whole embedded instance behind real HTTP, without the agent: what the API itself does, on the real store."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest

from agent_worker.knowledge.library import Library
from gateway.config import loader as configuration
from gateway.http.app import build_app, run_server
from gateway.http.openapi import build_document
from gateway.storage.quotas import QuotaBlobs, StorageQuota
from gateway.wiring.engines import open_engine
from gateway.wiring.process_services import ProcessServices, build_account_lookup
from infra.blobs import open_blobs
from infra.telemetry import PrometheusMetrics
from schemas import topics
from schemas.audit.trail import AuditTrail
from schemas.conversation import Conversation, Origin
from schemas.envelope import Envelope
from schemas.messages import Address
from tests.harness.installation import ADMIN_TOKEN, SECRET_KEY

TEXT = f"""
data_dir: data
encoder: light
secret_key: {SECRET_KEY}
admin_token: {ADMIN_TOKEN}
partitions: 3
tenants:
  shop:
    name: Shop
    channels: {{web: {{main: {{}}}}}}
  other:
    name: Other
    channels: {{web: {{main: {{}}}}}}
    routes:
      risks: {{press: [journalist*]}}
      examples:
        delivery: [where is my parcel, my parcel is late, when does my order arrive]
        refund: {{examples: [I want my money back, refund my order, when is the refund paid], risky: true}}
"""


@cache
def load_document() -> Any:
    """The OpenAPI document, which takes a quarter of a second to build."""
    return build_document()


@dataclass
class Answer:
    status: int
    headers: Any
    body: Any

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(self.body["error"]["code"])


class Instance:
    """One running instance. Every JSON answer is held against the OpenAPI document."""

    def __init__(self, services: ProcessServices, http: aiohttp.ClientSession, address: str, clock: Clock) -> None:
        self.services = services
        self.http = http
        self.address = address
        self.clock = clock
        self._document = load_document()

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = ADMIN_TOKEN, **more: Any
    ) -> Answer:
        headers = ({"Authorization": f"Bearer {token}"} if token is not None else {}) | more.pop("headers", {})
        if body is not None:
            more["data"] = io.BytesIO(json.dumps(body).encode())
            headers["Content-Type"] = "application/json"
        async with self.http.request(method, self.address + path, headers=headers, **more) as response:
            kind = response.content_type
            data = await (response.json() if kind == "application/json" else response.text())
            answer = Answer(response.status, response.headers, data)
        self._check(method, path.partition("?")[0], answer)
        return answer

    async def admin(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        return await self.call(method, f"/v1/admin/shop{path}", body, **more)

    def _check(self, method: str, path: str, answer: Answer) -> None:
        """Raises when the status is not declared for the route, or the body is not what is declared."""
        declared = self._operation(method, path)
        if declared is None:
            return
        response = declared["responses"][str(answer.status)]
        schema = response.get("content", {}).get("application/json", {}).get("schema")
        if schema and "$ref" in schema:
            whole = {"$ref": schema["$ref"], "components": self._document["components"]}
            jsonschema.Draft202012Validator(whole).validate(answer.body)

    def _operation(self, method: str, path: str) -> Any:
        """The route's description; a template without a parameter at the end goes before one with it."""
        given = path.split("/")
        templates = sorted(self._document["paths"], key=lambda template: "{" in template.rpartition("/")[2])
        for template in templates:
            parts = template.split("/")
            fits = len(parts) == len(given) and all(
                part == there or part.startswith("{") for part, there in zip(parts, given, strict=True)
            )
            if fits and method.lower() in self._document["paths"][template]:
                return self._document["paths"][template][method.lower()]
        return None

    async def settled(self) -> None:
        """Once all that was published can be found."""
        if self.services.knowledge is not None:
            await self.services.knowledge.search("shop", "anything", wait=20)

    async def conversation(self, place: str = "visitor-1", tenant: str = "shop") -> Conversation:
        """A conversation as the worker leaves it after a first message."""
        state, now = self.services.state, self.clock()
        contact, id_ = await state.contacts.resolve(
            tenant, "web", "main", place, [Address(channel="web", value=place)], now=now
        )
        origin = Origin(tenant=tenant, channel="web", account="main", place=place, contact_id=contact.id)
        return (await state.conversations.begin(id_, origin, [f"event-{place}"], now=now)).conversation

    async def logged(self, topic: str) -> list[Any]:
        """The decoded payloads on a topic, with their envelopes."""
        records = await self.services.bus.read(topic)
        envelopes = [Envelope.from_wire(record.headers, record.value) async for record in records]
        return [(found, found.payload(topics.EVENT_TYPES[found.type][0])) for found in envelopes]


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
        self.slept = 0.0
        self.sleepers = 0
        self.runs = asyncio.Event()
        self.runs.set()

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        """Time passes at once, or not until ``runs`` is set. ``slept`` is how much did, ``sleepers`` how many wait."""
        self.sleepers += 1
        await self.runs.wait()
        self.sleepers -= 1
        self.slept += seconds
        self.tick(seconds)


@asynccontextmanager
async def run_instance(folder: Path, text: str) -> AsyncIterator[Instance]:
    """An instance with this configuration, until the end of the block."""
    file = folder / "parley.yaml"
    file.write_text(text, encoding="utf-8")
    config = configuration.load(file, environ={})
    clock = Clock()
    async with open_engine(config, config.data_path) as engine:
        library = Library(
            engine.bus,
            engine.state.heads,
            folder / "index",
            clock=clock,
            answerable_above=lambda _tenant: 0.5,
        )
        await library.start()
        await library.wait_until_ready()
        quota = StorageQuota(engine.state.limiter, lambda tenant: config.tenants[tenant].limits, clock)
        services = ProcessServices(
            config=config,
            bus=engine.bus,
            state=engine.state,
            audit=AuditTrail(bus=engine.bus, state=engine.state, clock=clock),
            contact_keys=engine.contact_keys,
            blobs=QuotaBlobs(open_blobs(config.blobs, config.data_path, clock), quota),
            quota=quota,
            metrics=PrometheusMetrics(),
            clock=clock,
            sleep=clock.sleep,
            accounts=build_account_lookup(config),
            secret_key=config.secret_key,
            admin_token=config.admin_token,
            knowledge=library,
        )
        async with run_server(build_app(services), "127.0.0.1", 0) as port, aiohttp.ClientSession() as http:
            yield Instance(services, http, f"http://127.0.0.1:{port}", clock)
        await library.close()


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[Instance]:
    async with run_instance(tmp_path, TEXT) as started:
        yield started
