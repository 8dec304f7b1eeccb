"""The front door as one aiohttp application, and how it is served and stopped."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from connectors.inbound.pipeline import InboundPipeline
from gateway.admin import add_routes as add_admin_routes
from gateway.console import add_routes as add_console_routes
from gateway.http import openapi
from gateway.http.client_address import ClientAddresses
from gateway.http.connection import REFUSALS, SHORTCUT, Connection
from gateway.http.fast_refusals import Refusals
from gateway.http.fast_webhooks import Shortcut
from gateway.http.health import add_routes as add_health_routes
from gateway.http.overload import Crowding
from gateway.http.rate_limits import Allowance
from gateway.http.responses import PLAIN_HEADERS, errors_as_json, refusal_counter, refusals_counted
from gateway.http.tracing import traced
from gateway.http.webhooks import Webhooks
from gateway.webchat.attachments import AttachmentDesk
from gateway.webchat.chat import Chat
from gateway.webchat.open_connections import OpenConnections
from gateway.webchat.origins import Origins
from gateway.webchat.page import Page
from gateway.webchat.service import Exchange
from gateway.webchat.sessions import Sessions
from gateway.webchat.sockets import Sockets
from gateway.webchat.watch import Doors
from gateway.wiring.desk import build_desk_router
from gateway.wiring.listening import Acceptor, open_listeners
from gateway.wiring.parts import Parts
from schemas.errors import PortInUse
from schemas.ports import DeskInbound, ProfileAddressSelector

log = structlog.get_logger("parley.gateway")

DRAIN = 10.0
"""Seconds that requests in flight get to finish."""


def build_app(parts: Parts) -> web.Application:
    """Every route of the contract over the given parts."""
    doors = Doors()
    app = _chat_app(parts, doors)
    add_admin_routes(app, parts)
    openapi.add_routes(app)
    add_console_routes(app, parts, doors)
    add_health_routes(app, parts)
    return app


def _chat_app(parts: Parts, doors: Doors) -> web.Application:
    join, door = parts.config.telemetry.join_callers, build_desk_router(parts)
    inbound = inbound_of(parts, door)
    crowding = Crowding(lambda: inbound.pending_calls, press=parts.press)
    count, tracing = refusal_counter(parts.metrics), traced(join=join)
    app = web.Application(
        middlewares=[refusals_counted(count), crowding, errors_as_json, *tracing],
        client_max_size=4 * 1024 * 1024,
    )
    app.on_response_prepare.append(_plain_headers)
    if door is not None:
        app.on_cleanup.append(lambda _app: door.close())
    origins = Origins(parts.config)
    app[REFUSALS] = Refusals(crowding, origins, count)
    webhooks = _add_chat(app, parts, inbound, doors, origins, crowding)
    if not tracing:  # spans begin in a middleware
        app[SHORTCUT] = Shortcut(webhooks, crowding, count)
    Page(parts.config).add_routes(app)
    return app


def inbound_of(parts: Parts, desk: DeskInbound | None) -> InboundPipeline:
    """``desk``: takes what people do at the tenants' desks."""
    state = parts.state
    return InboundPipeline(
        bus=parts.bus,
        contacts=state.contacts,
        conversations=state.conversations,
        transcript=state.transcript,
        signals=state.signals,
        metrics=parts.metrics,
        clock=parts.clock,
        deliveries=state.deliveries,
        transcript_channels=frozenset(
            name for name, channel in parts.channels.items() if not channel.capabilities.has_vendor
        ),
        profiled_channels=frozenset(
            name for name, channel in parts.channels.items() if isinstance(channel, ProfileAddressSelector)
        ),
        own_numbers={name: tenant.protection.own_number_finder for name, tenant in parts.config.tenants.items()},
        desk=desk,
        blobs=parts.blobs,
    )


def _add_chat(
    app: web.Application, parts: Parts, inbound: InboundPipeline, doors: Doors, origins: Origins, crowding: Crowding
) -> Webhooks:
    state, clock = parts.state, parts.clock
    attachments = AttachmentDesk(
        parts.blobs, secret_key=parts.secret_key, public_url=parts.config.public_url, clock=clock
    )
    sessions = Sessions(secret_key=parts.secret_key, accounts=parts.accounts, bus=parts.bus, state=state, clock=clock)
    allowance = Allowance(parts)
    exchange = Exchange(parts, inbound, attachments, allowance)
    addresses, connections = ClientAddresses(parts.config), OpenConnections(parts.config)
    sockets = Sockets(
        sessions=sessions,
        exchange=exchange,
        origins=origins,
        signals=state.signals,
        clock=clock,
        doors=doors,
        allowance=allowance,
        addresses=addresses,
        connections=connections,
    )
    Chat(
        sessions=sessions,
        exchange=exchange,
        attachments=attachments,
        origins=origins,
        signals=state.signals,
        clock=clock,
        doors=doors,
        allowance=allowance,
        addresses=addresses,
        connections=connections,
        crowding=crowding,
    ).add_routes(app)
    sockets.add_routes(app)
    webhooks = Webhooks(parts, inbound, allowance)
    webhooks.add_routes(app)

    async def let_go(_app: web.Application) -> None:
        doors.close()
        await sockets.close_all()

    app.on_shutdown.append(let_go)
    return webhooks


async def _plain_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = PLAIN_HEADERS["Server"]  # aiohttp has put its own there
    for name, text in PLAIN_HEADERS.items():
        response.headers.setdefault(name, text)


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve inside the block; gives the port (useful with 0). On the way out: no new connections, sockets closed with
    1012 at once, requests in flight finish in at most 10 s. Raises PortInUse."""
    runner = web.AppRunner(app, shutdown_timeout=DRAIN)
    await runner.setup()
    loop, shortcut, refusals = asyncio.get_running_loop(), app.get(SHORTCUT), app.get(REFUSALS)

    def connection() -> asyncio.Protocol:
        server: web.Server = runner.server  # type: ignore[assignment]  # setup() made it
        return Connection(server, shortcut, refusals, loop, closed=acceptor.connection_closed)

    acceptor = Acceptor(connection)
    try:
        listeners = await open_listeners(host, port)
    except OSError as error:
        await runner.cleanup()
        if error.errno == errno.EADDRINUSE:
            fix = "stop the other process, or choose another port with PARLEY_PORT"
            raise PortInUse(f"{host}:{port} is taken", fix=fix) from error
        raise
    acceptor.start(listeners)
    try:
        yield listeners[0].getsockname()[1]
    finally:
        await acceptor.stop()
        for listener in listeners:
            listener.close()
        await runner.cleanup()


async def serve_forever(app: web.Application, host: str, port: int, *, stop: asyncio.Event | None = None) -> None:
    """Serve until ``stop`` is set or the task is cancelled. Raises PortInUse."""
    async with serving(app, host, port) as actual:
        log.info("listening", host=host, port=actual)
        await (stop or asyncio.Event()).wait()
