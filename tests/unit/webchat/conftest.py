"""The chat behind real sockets on the real embedded store, with a clock that stands still; no agent answers."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connectors.registry import open_channel
from gateway.config.settings import Config
from gateway.http.app import build_app, run_server
from gateway.storage.quotas import QuotaBlobs, StorageQuota
from gateway.wiring.engines import open_engine
from gateway.wiring.process_services import ProcessServices, build_account_lookup
from infra.blobs import open_blobs
from infra.metrics import PrometheusMetrics
from schemas import topics
from schemas.audit.trail import AuditTrail
from schemas.envelope import Envelope
from schemas.messages import Author, OutboundMessage
from schemas.ports import Bus, Record, RenderContext
from tests.harness.channel_tools import tools_of

IDENTITY_SECRET = "a-secret-shared-with-the-site-of-the-shop"
CONFIG: dict[str, Any] = {
    "secret_key": "a-secret-of-the-tests",
    "admin_token": "the-admin-token",
    "partitions": 3,
    "tenants": {
        "shop": {
            "name": "Shop",
            "channels": {
                "web": {
                    "main": {"identity_secret": IDENTITY_SECRET},
                    "strict": {"origins": ["https://shop.example"]},
                    "members": {"identity": "required", "identity_secret": IDENTITY_SECRET},
                    "named": {"identity_secret": IDENTITY_SECRET, "identity_audience": "the-chat"},
                    "plain": {},
                    "slow": {"messages_per_minute": 3},
                }
            },
        },
        "small": {
            "name": "Small",
            "limits": {
                "contact_bytes_per_day": 1000,
                "stored_file_bytes": 1500,
                "text_bytes_per_day": 2000,
                "address_share": 1,
            },
            "channels": {"web": {"main": {}}},
        },
        "other": {"name": "Other", "channels": {"web": {"main": {}}}},
        "tiny": {"name": "Tiny", "limits": {"inbound_per_s": 2}, "channels": {"web": {"main": {}}}},
        "narrow": {
            "name": "Narrow",
            "limits": {"inbound_per_s": 10, "sockets_per_visitor": 2, "sockets_per_address": 3},
            "channels": {"web": {"main": {"identity_secret": IDENTITY_SECRET}, "second": {}}},
        },
        "patient": {
            "name": "Patient",
            "limits": {"waiting_per_address": 3},
            "channels": {"web": {"main": {"identity_secret": IDENTITY_SECRET}}},
        },
        "fenced": {"name": "Fenced", "channels": {"web": {"main": {"origins": ["https://shop.example"]}}}},
        "silent": {"name": "Silent"},
    },
}


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Answer:
    status: int
    headers: Any
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


@dataclass
class Visitor:
    """Somebody with a session."""

    shop: Shop
    token: str
    conversation: str
    tenant: str = "shop"
    sockets: list[aiohttp.ClientWebSocketResponse] = field(default_factory=list)

    async def call(self, method: str, path: str, **more: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"} | more.pop("headers", {})
        return await self.shop.call(method, f"/v1/chat/{self.tenant}/{path}", headers=headers, **more)

    async def say(self, text: str, client_msg_id: str = "m1", **more: Any) -> Answer:
        return await self.call("POST", "messages", json={"client_msg_id": client_msg_id, "text": text, **more})

    async def socket(self, last_seq: int | None = None, **more: Any) -> Socket:
        """Greeted and welcomed."""
        socket = Socket(await self.shop.http.ws_connect(f"{self.shop.address}/v1/chat/{self.tenant}/socket", **more))
        hello: dict[str, Any] = {"type": "hello", "token": self.token}
        await socket.send(hello if last_seq is None else hello | {"last_seq": last_seq})
        return socket


@dataclass
class Socket:
    raw: aiohttp.ClientWebSocketResponse
    seen: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, frame: object) -> None:
        await self.raw.send_json(frame)

    async def frame(self, kind: str, deadline: float = 30) -> dict[str, Any]:
        """The next frame of this kind; what came before it is kept in ``seen``."""
        async with asyncio.timeout(deadline):
            while True:
                frame: dict[str, Any] = await self.raw.receive_json()
                self.seen.append(frame)
                if frame["type"] == kind:
                    return frame

    async def closed(self, deadline: float = 30) -> int | None:
        """The close code, once the server has closed."""
        async with asyncio.timeout(deadline):
            while True:
                message = await self.raw.receive()
                if message.type is aiohttp.WSMsgType.CLOSE:
                    return int(message.data)
                if message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
                    return self.raw.close_code


@dataclass
class Shop:
    """One running installation."""

    services: ProcessServices
    http: aiohttp.ClientSession
    address: str
    clock: Clock
    sent: int = 0

    async def call(self, method: str, path: str, **more: Any) -> Answer:
        if isinstance(data := more.get("data"), bytes) and len(data) > 100_000:
            more["data"] = io.BytesIO(data)
        async with self.http.request(method, self.address + path, **more) as response:
            raw = await response.read()
            is_json = response.content_type == "application/json"
            return Answer(response.status, response.headers, await response.json() if is_json else raw)

    async def start(self, tenant: str = "shop", headers: dict[str, str] | None = None, **body: Any) -> Answer:
        return await self.call("POST", f"/v1/chat/{tenant}/sessions", json=body, headers=headers or {})

    async def visitor(self, tenant: str = "shop", **body: Any) -> Visitor:
        answer = await self.start(tenant, **body)
        assert answer.status in (200, 201), answer.body
        return Visitor(self, answer.body["visitor_token"], answer.body["conversation_id"], tenant)

    async def reply(self, visitor: Visitor, text: str, **fields: Any) -> OutboundMessage:
        """What the agent says is shown, as the sender would do it."""
        self.sent += 1
        message = OutboundMessage(
            **{
                "id": f"reply-{self.sent}",
                "author": Author(kind="agent", name="Fern"),
                "text": text,
                "place": "p",
                "contact_id": "c",
                "turn_id": f"turn-{self.sent}",
                "created_at": self.clock(),
                "expires_at": self.clock() + timedelta(days=1),
                **fields,
            }
        )
        account = self.services.accounts(visitor.tenant, "web", "main")
        assert account is not None
        web = self.services.channels["web"]
        for call in web.render(message, RenderContext(visitor.conversation, account)):
            await web.connect(account).perform(call, message.id)
        return message

    async def signal(self, visitor: Visitor, payload: bytes) -> None:
        await self.services.state.signals.publish(f"conversation:{visitor.conversation}", payload)

    async def logged(self, topic: str = topics.inbound("web")) -> list[Envelope]:
        return [await _decoded(record) async for record in await self.services.bus.read(topic)]

    async def appears(self, topic: str = topics.inbound("web")) -> list[Envelope]:
        """What is on the topic, once something is."""
        async with asyncio.timeout(30):
            while not (events := await self.logged(topic)):  # noqa: ASYNC110  # the log announces nothing to readers
                await asyncio.sleep(0.02)
            return events


async def wait_until(holds: Callable[[], bool], deadline: float = 30) -> None:
    async with asyncio.timeout(deadline):
        while not holds():  # noqa: ASYNC110  # nothing announces it
            await asyncio.sleep(0.01)


async def _decoded(record: Record) -> Envelope:
    return Envelope.from_wire(record.headers, record.value)


Rebuilt = Callable[[ProcessServices], ProcessServices]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Shop]]]:
    """Start the installation, perhaps with some parts replaced."""
    config = Config.model_validate(CONFIG | {"data_dir": str(tmp_path)})
    clock = Clock()
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine(config, tmp_path))
        quota = StorageQuota(engine.state.limiter, lambda tenant: config.tenants[tenant].limits, clock)
        services = ProcessServices(
            config=config,
            bus=engine.bus,
            state=engine.state,
            audit=AuditTrail(bus=engine.bus, state=engine.state, clock=clock),
            blobs=QuotaBlobs(open_blobs(config.blobs, tmp_path, clock), quota),
            quota=quota,
            metrics=PrometheusMetrics(),
            clock=clock,
            accounts=build_account_lookup(config),
            secret_key=config.secret_key,
            admin_token=config.admin_token,
            channels={"web": open_channel("web", tools_of(engine.state, clock))},
        )

        async def start(rebuilt: Rebuilt = lambda services: services) -> Shop:
            changed = rebuilt(services)
            port = await stack.enter_async_context(run_server(build_app(changed), "127.0.0.1", 0))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return Shop(changed, http, f"http://127.0.0.1:{port}", clock)

        yield start


@pytest.fixture
async def shop(serve: Callable[..., Awaitable[Shop]]) -> Shop:
    return await serve()


class FailingBus:
    """A bus whose appends fail while ``error`` is set, and are counted."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.error: Exception | None = None
        self.appends: list[list[Envelope]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def append(self, envelopes: list[Envelope], **more: Any) -> Any:
        if self.error is not None:
            raise self.error
        self.appends.append(envelopes)
        return await self._bus.append(envelopes, **more)


def with_bus(bus: FailingBus) -> Rebuilt:
    held: Any = bus
    return lambda services: replace(services, bus=held)


async def raw_socket(shop: Shop, tenant: str = "shop", **more: Any) -> Socket:
    return Socket(await shop.http.ws_connect(f"{shop.address}/v1/chat/{tenant}/socket", **more))


async def open_socket(visitor: Visitor, last_seq: int | None = None, **more: Any) -> Socket:
    socket = await visitor.socket(last_seq, **more)
    await socket.frame("welcome")
    return socket


def message(text: str, client_msg_id: str = "m1", **more: Any) -> dict[str, Any]:
    return {"type": "message", "client_msg_id": client_msg_id, "text": text, **more}


def note_subscription(shop: Shop) -> asyncio.Event:
    """Set once somebody subscribes to the shop's signals."""
    signals: Any = shop.services.state.signals
    subscribe, subscribed = signals.subscribe, asyncio.Event()

    def subscribe_and_tell(topic: str) -> Any:
        reader = subscribe(topic)
        subscribed.set()
        return reader

    signals.subscribe = subscribe_and_tell
    return subscribed
