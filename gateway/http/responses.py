"""Requests in, answers out: bodies with limits, errors as the JSON of the contract, nothing internal in either."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus
from typing import Any, TypeVar

import orjson
import structlog
from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.streams import StreamReader
from aiohttp.typedefs import Middleware
from pydantic import BaseModel, ValidationError

from schemas.errors import InvalidRequest, ParleyError, TooLarge, UnsupportedMediaType
from schemas.ports import Metrics

log = structlog.get_logger("parley.gateway")

Model = TypeVar("Model", bound=BaseModel)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON_TYPES = frozenset({"application/json"})
PLAIN_HEADERS = {"Server": "parley", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
"""On every answer, unless it says something else itself."""

REFUSALS = frozenset({429, 503})
BODY_WAIT = 30.0
"""Seconds a client may take to send its body."""

_CODES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    422: "unprocessable",
    429: "rate_limited",
    503: "unavailable",
}


def reply(body: object, status: int = 200) -> web.Response:
    """A JSON answer that nobody keeps."""
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def error_reply(error: ParleyError) -> web.Response:
    """The contract's error body, with ``Retry-After`` (whole seconds, rounded up) where there is one."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not error.retryable:
        return internal_error()
    response = reply({"error": error.body()}, error.status)
    if error.retry_after_ms is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_ms / 1000)))
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def http_error(status: int, message: str = "") -> web.Response:
    """An error that has no exception of ours: a route that does not exist, a method that is not allowed."""
    code = _CODES.get(status, "invalid_request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal")
    text = message or HTTPStatus(status).phrase.lower()
    return reply({"error": {"code": code, "message": text, "retryable": status == 503}}, status)


def internal_error() -> web.Response:
    return reply({"error": {"code": "internal", "message": "something went wrong here", "retryable": True}}, 500)


def wire(response: web.Response) -> bytes:
    """A whole answer as it goes on the wire, with what aiohttp and the application would add."""
    body = response.body if isinstance(response.body, bytes) else b""
    headers = {**response.headers, "Content-Length": str(len(body)), "Date": rfc822_formatted_time(), **PLAIN_HEADERS}
    lines = [f"HTTP/1.1 {response.status} {response.reason}", *(f"{name}: {text}" for name, text in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outermost middleware: whatever is raised leaves as the contract's error body, a 500 without internals."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        response = http_error(error.status)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception as error:
        return failed(error, _route(request))


def failed(error: Exception, route: str) -> web.Response:
    """The answer to a request whose handling ended with this error."""
    if isinstance(error, ParleyError):
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("request_failed", code=error.code, route=route)
        return error_reply(error)
    # The text of an unexpected error may hold a contact's words; its place in the code does not.
    log.error("request_crashed", error=type(error).__name__, where=_where(error), route=route)
    return internal_error()


def refusal_counter(metrics: Metrics) -> Callable[[web.StreamResponse], None]:
    """How often we say "not now"."""

    def count(response: web.StreamResponse) -> None:
        if response.status in REFUSALS:
            metrics.count("parley_refused_total", status=str(response.status))

    return count


def refusals_counted(count: Callable[[web.StreamResponse], None]) -> Middleware:
    """Middleware around ``errors_as_json``. A probe's 503 refuses nobody."""

    @web.middleware
    async def counting(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if request.path != "/readyz":
            count(response)
        return response

    return counting


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


async def read_body(request: web.Request, limit: int, kinds: Collection[str]) -> bytes:
    """The body, untouched. Raises UnsupportedMediaType, TooLarge (over ``limit`` bytes), InvalidRequest (too slow)."""
    if request.content_type not in kinds:
        raise UnsupportedMediaType(f"the content type must be {' or '.join(sorted(kinds))}")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("compressed bodies are not accepted")
    if (request.content_length or 0) > limit:
        raise TooLarge(f"the body is larger than {limit} bytes")
    return await rest_of(request.content, limit)


async def rest_of(content: StreamReader, limit: int) -> bytes:
    """A body from here to its end. Raises TooLarge (over ``limit`` bytes), InvalidRequest (too slow)."""
    if content.is_eof():
        # It came with its head, as small ones do: nothing to wait for.
        whole = content.read_nowait()
        if len(whole) > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        return whole
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WAIT):
            async for chunk in content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise TooLarge(f"the body is larger than {limit} bytes")
    except TimeoutError:
        raise InvalidRequest("the body did not arrive in time") from None
    return bytes(body)


async def read_json(request: web.Request, model: type[Model], *, limit: int = 64 * 1024) -> Model:
    """The JSON body as ``model``. Raises UnsupportedMediaType, TooLarge, InvalidRequest that names the field."""
    return decode(model, await read_body(request, limit, JSON_TYPES))


def decode(model: type[Model], data: bytes | str) -> Model:
    """JSON as ``model``. Raises InvalidRequest that names the field and never repeats what was sent."""
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise InvalidRequest(explain(error)) from None


def explain(error: ValidationError) -> str:
    """The first thing wrong, as ``field: reason``."""
    first: Any = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return "the body is not valid JSON"
    reason = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {reason}" if where else reason
