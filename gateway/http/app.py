"""The aiohttp application with every route, and the server that runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.typedefs import Middleware

from connectors.inbound.pipeline import InboundPipeline
from gateway.admin import add_routes as add_admin_routes
from gateway.console import add_routes as add_console_routes
from gateway.http import openapi
from gateway.http.client_address import ClientAddressResolver
from gateway.http.health import add_routes as add_health_routes
from gateway.http.overload import OverloadGuard
from gateway.http.rate_limits import RateLimits
from gateway.http.responses import (
    DEFAULT_HEADERS,
    Handler,
    build_refusal_middleware,
    error_middleware,
    http_error_response,
    internal_error_response,
    reword_expectation_failure,
)
from gateway.http.source_webhooks import SourceWebhooks
from gateway.http.webhooks import Webhooks
from gateway.storage.attachments import AttachmentService
from gateway.webchat.chat_service import ChatService
from gateway.webchat.connection_limits import ConnectionLimiter
from gateway.webchat.http_api import ChatApi
from gateway.webchat.origins import OriginPolicy
from gateway.webchat.sessions import VisitorSessions
from gateway.webchat.sockets import ChatSockets
from gateway.webchat.watch import WatchRegistry
from gateway.webchat.widget import WidgetApi
from gateway.wiring.desk import build_desk_router
from gateway.wiring.listening import Acceptor, explain_listen_error, open_listeners
from gateway.wiring.process_services import ProcessServices
from schemas.ports import DeskInbound, ProfileAddressSelector
from schemas.runtime import tracing

log = structlog.get_logger("parley.gateway")

KEEP_ALIVE_SECONDS = 75.0

TOO_LONG = "the address or a header of the request is longer than 8,190 bytes"
"""The reason for refusing what exceeds the limits of aiohttp's parser."""

DRAIN_SECONDS = 10.0
"""Seconds that a stopping server waits for requests in flight."""
UNTRACED_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
"""Reads, probes and long polls get no span: there are many, and nothing follows from them."""


def build_app(services: ProcessServices) -> web.Application:
    """Build the application for ``listen``: all routes of the contract, or with ``admin_listen`` those for contacts and
    vendors only."""
    watches = WatchRegistry()
    app = _build_chat_app(services, watches)
    openapi.add_routes(app)
    add_health_routes(app, services, metrics=not services.config.admin_listen)
    if not services.config.admin_listen:
        add_admin_routes(app, services)
        add_console_routes(app, services, watches)
    return app


def build_admin_app(services: ProcessServices) -> web.Application:
    """Build the application for ``admin_listen``: the admin API, the console and the metrics."""
    watches = WatchRegistry()
    app = web.Application(
        middlewares=[build_refusal_middleware(services.metrics), error_middleware], client_max_size=4 * 1024 * 1024
    )
    app.on_response_prepare.append(_set_default_headers)
    app.on_response_prepare.append(reword_expectation_failure)
    app.on_shutdown.append(partial(_end_watches, watches))
    openapi.add_routes(app)
    add_health_routes(app, services)
    add_admin_routes(app, services)
    add_console_routes(app, services, watches)
    return app


async def _end_watches(watches: WatchRegistry, _app: web.Application) -> None:
    watches.end_all()


def _build_chat_app(services: ProcessServices, watches: WatchRegistry) -> web.Application:
    door = build_desk_router(services)
    inbound = build_inbound(services, door)
    overload = OverloadGuard(lambda: inbound.pending_calls, flag=services.overload_flag)
    tracers = build_tracing_middleware(join=services.config.telemetry.join_callers)
    app = web.Application(
        middlewares=[build_refusal_middleware(services.metrics), overload, error_middleware, *tracers],
        client_max_size=4 * 1024 * 1024,
    )
    app.on_response_prepare.append(_set_default_headers)
    app.on_response_prepare.append(reword_expectation_failure)
    if door is not None:
        app.on_cleanup.append(lambda _app: door.close())
    origins = OriginPolicy(services.config)
    _add_chat_routes(app, services, inbound, watches, origins, overload)
    WidgetApi(services.config).add_routes(app)
    return app


def build_inbound(services: ProcessServices, desk: DeskInbound | None) -> InboundPipeline:
    """Build the pipeline for inbound events. ``desk`` receives what colleagues do at the tenants' desks."""
    state = services.state
    return InboundPipeline(
        bus=services.bus,
        contacts=state.contacts,
        conversations=state.conversations,
        transcript=state.transcript,
        signals=state.signals,
        metrics=services.metrics,
        clock=services.clock,
        deliveries=state.deliveries,
        transcript_channels=frozenset(
            name for name, channel in services.channels.items() if not channel.capabilities.has_vendor
        ),
        profiled_channels=frozenset(
            name for name, channel in services.channels.items() if isinstance(channel, ProfileAddressSelector)
        ),
        own_numbers={name: tenant.protection.own_number_finder for name, tenant in services.config.tenants.items()},
        desk=desk,
        blobs=services.blobs,
        contact_keys=state.contact_keys,
        key_service=services.contact_keys,
    )


def _add_chat_routes(
    app: web.Application,
    services: ProcessServices,
    inbound: InboundPipeline,
    watches: WatchRegistry,
    origins: OriginPolicy,
    overload: OverloadGuard,
) -> None:
    state, clock = services.state, services.clock
    attachments = AttachmentService(
        services.blobs, secret_key=services.secret_key, public_url=services.config.public_url, clock=clock
    )
    sessions = VisitorSessions(
        secret_key=services.secret_key, accounts=services.accounts, bus=services.bus, state=state, clock=clock
    )
    rate_limits = RateLimits(services)
    service = ChatService(services, inbound, attachments, rate_limits)
    addresses, connections = ClientAddressResolver(services.config), ConnectionLimiter(services.config)
    sockets = ChatSockets(
        sessions=sessions,
        service=service,
        origins=origins,
        signals=state.signals,
        clock=clock,
        watches=watches,
        rate_limits=rate_limits,
        addresses=addresses,
        connections=connections,
    )
    ChatApi(
        sessions=sessions,
        service=service,
        attachments=attachments,
        origins=origins,
        signals=state.signals,
        clock=clock,
        watches=watches,
        rate_limits=rate_limits,
        addresses=addresses,
        connections=connections,
        overload=overload,
    ).add_routes(app)
    sockets.add_routes(app)
    Webhooks(services, inbound, rate_limits).add_routes(app)
    SourceWebhooks(services).add_routes(app)
    app.on_shutdown.append(partial(_close_connections, watches, sockets))


async def _close_connections(watches: WatchRegistry, sockets: ChatSockets, _app: web.Application) -> None:
    watches.end_all()
    await sockets.close_all()


async def _set_default_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = DEFAULT_HEADERS["Server"]  # replaces aiohttp's own
    for name, text in DEFAULT_HEADERS.items():
        response.headers.setdefault(name, text)


def build_tracing_middleware(*, join: bool) -> list[Middleware]:
    """Build the middleware that opens a span for each request that changes something, in a list that is empty while
    tracing is off. ``join`` continues the caller's ``traceparent``. Use it only behind a proxy that sets this header:
    whoever sets it decides what is recorded."""

    @web.middleware
    async def trace_request(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method in UNTRACED_METHODS:
            return await handler(request)
        resource = request.match_info.route.resource
        route = "" if resource is None else resource.canonical
        with tracing.span(
            f"{request.method} {route}",
            parent=request.headers.get("traceparent", "") if join else "",
            kind="server",
            attributes={"http.request.method": request.method, "http.route": route},
        ) as span:
            response = await handler(request)
            span.set("http.response.status_code", response.status)
            return response

    return [trace_request] if tracing.is_active() else []


@asynccontextmanager
async def run_server(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve inside the block and yield the port, which matters where ``port`` is 0. On exit no connection is accepted
    any more, sockets close with 1012 at once, and requests in flight get 10 s to finish. Raises PortInUse."""
    runner = web.AppRunner(app, shutdown_timeout=DRAIN_SECONDS)
    await runner.setup()
    loop = asyncio.get_running_loop()

    def build_connection() -> asyncio.Protocol:
        server: web.Server = runner.server  # type: ignore[assignment]  # setup() made it
        return _Connection(server, loop, on_close=acceptor.connection_closed)

    acceptor = Acceptor(build_connection)
    try:
        listeners = await open_listeners(host, port)
    except OSError as error:
        await runner.cleanup()
        raise explain_listen_error(host, port, error) from error
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
    async with run_server(app, host, port) as bound_port:
        log.info("listening", host=host, port=bound_port)
        await (stop or asyncio.Event()).wait()


class _Connection(web.RequestHandler):
    """A server connection: aiohttp's, with the contract's error body for bytes that are not HTTP.

    Serves the requests of one connection and calls ``on_close`` when it ends. Bytes that are not HTTP are never
    logged."""

    __slots__ = ("_on_close",)

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop, *, on_close: Callable[[], None]) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            access_log=None,  # type: ignore[arg-type]  # None switches it off
            auto_decompress=False,
        )
        self._on_close = on_close

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the response was already started")
        log.info("request_unreadable", status=status, error=type(exc).__name__)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            response = internal_error_response()
        else:
            is_long = isinstance(exc, LineTooLong)
            response = http_error_response(status, TOO_LONG if is_long else "the request is not valid HTTP")
        # No application has seen the request, so none sets its headers.
        response.headers.update(DEFAULT_HEADERS)
        response.force_close()
        return response

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._on_close()
