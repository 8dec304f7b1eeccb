"""Request bodies and responses: size limits, JSON, the contract's error bodies, and the middleware for errors."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus
from typing import Any, TypeVar

import orjson
import structlog
from aiohttp import web
from aiohttp.streams import StreamReader
from aiohttp.typedefs import Middleware
from pydantic import BaseModel, ValidationError

from schemas.errors import InvalidRequest, ParleyError, TooLarge, UnsupportedMediaType
from schemas.ports import Metrics
from schemas.validation.problems import describe_problem

log = structlog.get_logger("parley.gateway")

Model = TypeVar("Model", bound=BaseModel)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON_TYPES = frozenset({"application/json"})
DEFAULT_HEADERS = {"Server": "parley", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
"""Set on every response that has no such header of its own."""

SIGNED_ROUTES = "/v1/webhooks/"
"""Below it, vendors prove who they are by a signature and not by a token."""
REFUSAL_STATUSES = frozenset({429, 503})
BODY_TIMEOUT = 30.0
"""Seconds a client may take to send its body."""
_NOT_JSON = (b"NaN", b"Infinity")
"""Numbers that pydantic's parser takes although JSON has none of them. In a text they are allowed."""
INVALID_JSON = "the body is not valid JSON"

_CODES_BY_STATUS = {
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


def json_response(body: object, status: int = 200) -> web.Response:
    """Build a JSON response that must not be cached."""
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def error_response(error: ParleyError) -> web.Response:
    """Build a response with the contract's error body, and with ``Retry-After`` (in whole seconds, rounded up) where
    the error has one."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not error.retryable:
        return internal_error_response()
    response = json_response({"error": error.body()}, error.status)
    if error.retry_after_ms is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_ms / 1000)))
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def http_error_response(status: int, message: str = "") -> web.Response:
    """Build the response for an HTTP status without an error of our own, such as an unknown route or a wrong method."""
    code = _CODES_BY_STATUS.get(status, "invalid_request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal")
    text = message or HTTPStatus(status).phrase.lower()
    return json_response({"error": {"code": code, "message": text, "retryable": status == 503}}, status)


def internal_error_response() -> web.Response:
    return json_response(
        {"error": {"code": "internal", "message": "something went wrong here", "retryable": True}}, 500
    )


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every exception into a response with the contract's error body; a 500 reveals no internals."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        response = http_error_response(error.status)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception as error:
        return handle_error(error, get_route(request))


async def reword_expectation_failure(_: web.Request, response: web.StreamResponse) -> None:
    """Give the refusal of an ``Expect`` header the contract's error body. aiohttp answers it before any middleware, in
    plain text that repeats the header."""
    if isinstance(response, web.HTTPExpectationFailed):
        body = http_error_response(response.status, "Expect: may only be 100-continue").body
        response.body = body
        response.content_type = "application/json"
        response.headers["Content-Length"] = str(len(body if isinstance(body, bytes) else b""))


def handle_error(error: Exception, route: str) -> web.Response:
    """Log an error and build the response to the request that failed with it."""
    if isinstance(error, ParleyError):
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("request_failed", code=error.code, route=route)
        response = error_response(error)
        if error.status == HTTPStatus.UNAUTHORIZED and route.startswith(SIGNED_ROUTES):
            response.headers["WWW-Authenticate"] = "Signature"
        return response
    # The message of an unexpected error may contain a contact's text, so only its place in the code is logged.
    log.error("request_crashed", error=type(error).__name__, where=_locate_crash(error), route=route)
    return internal_error_response()


def build_refusal_middleware(metrics: Metrics) -> Middleware:
    """Build the middleware around ``error_middleware`` that counts responses with a refusal status. A 503 of a probe
    refuses nobody."""

    @web.middleware
    async def count_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if response.status in REFUSAL_STATUSES and request.path != "/readyz":
            metrics.count("parley_refused_total", status=str(response.status))
        return response

    return count_refusals


def get_route(request: web.Request) -> str:
    """The path of the route that a request has taken, with the names of its parameters; empty if it has taken none."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


def _locate_crash(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


async def read_body(request: web.Request, limit: int, kinds: Collection[str]) -> bytes:
    """Read the raw body. Raises UnsupportedMediaType, TooLarge (over ``limit`` bytes), InvalidRequest (too slow)."""
    if request.content_type not in kinds:
        raise UnsupportedMediaType(f"the content type must be {' or '.join(sorted(kinds))}")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("compressed bodies are not accepted")
    if (request.content_length or 0) > limit:
        raise TooLarge(f"the body is larger than {limit} bytes")
    return await _read_rest(request.content, limit)


async def _read_rest(content: StreamReader, limit: int) -> bytes:
    """Read the rest of a body. Raises TooLarge (over ``limit`` bytes), InvalidRequest (too slow)."""
    if content.is_eof():
        # Small bodies arrive together with the head.
        data = content.read_nowait()
        if len(data) > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        return data
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise TooLarge(f"the body is larger than {limit} bytes")
    except TimeoutError:
        raise InvalidRequest("the body did not arrive in time") from None
    return bytes(body)


async def read_json(request: web.Request, model: type[Model], *, limit: int = 64 * 1024) -> Model:
    """Parse the JSON body as ``model``. Raises UnsupportedMediaType, TooLarge, InvalidRequest (names the field)."""
    return decode_json(model, await read_body(request, limit, JSON_TYPES))


def decode_json(model: type[Model], data: bytes) -> Model:
    """Parse JSON as ``model``. Raises InvalidRequest, which names the field and never repeats the input."""
    try:
        if any(number in data for number in _NOT_JSON):
            orjson.loads(data)
        return model.model_validate_json(data)
    except orjson.JSONDecodeError:
        raise InvalidRequest(INVALID_JSON) from None
    except ValidationError as error:
        raise InvalidRequest(describe_validation_error(error)) from None


def describe_validation_error(error: ValidationError, *, skipped: int = 0) -> str:
    """Describe the first problem as ``field: reason``. ``skipped``: parts of its place that are no fields."""
    first: Any = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"][skipped:])
    if first["type"] == "json_invalid":
        return INVALID_JSON
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):  # the message of the former repeats the input
        tag = ".".join(filter(None, [where, str(first["ctx"]["discriminator"]).strip("'")]))
        expected = first["ctx"].get("expected_tags")
        return f"{tag}: must be one of {expected}" if expected else f"{tag}: must be set"
    reason = describe_problem(first)
    return f"{where}: {reason}" if where else reason
