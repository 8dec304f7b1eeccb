"""The description of one endpoint of the HTTP API, and the status of each error code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel

from gateway.access.routes import ADMIN_ROUTES
from schemas.access import Permission

VISITOR, ADMIN, SIGNATURE, CONSOLE, PUBLIC = "visitor", "admin", "signature", "console", ""
"""Ways to authenticate."""


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """The description of an endpoint. ``responses`` maps a status to a model, to a media type if the body is not JSON,
    or to "" if there is no body. ``query`` maps parameters to descriptions. ``errors`` are the codes other than 500.
    ``permission``: what the caller must have, empty for none."""

    method: str
    path: str
    summary: str
    responses: dict[int, type[BaseModel] | str]
    auth: str = PUBLIC
    body: type[BaseModel] | str = ""
    query: dict[str, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    group: str = "others"
    permission: Permission | Literal[""] = ""


BODY_ERRORS = ("invalid_request", "too_large", "unsupported_media_type")
RETRYABLE_ERRORS = ("rate_limited", "unavailable")
ADMIN_ERRORS = ("unauthorized", "forbidden", "not_found", *RETRYABLE_ERRORS)
PAGE_QUERY = {"after": "The `next` of the previous page.", "limit": "Items per page, 1 to 200 (default 50)."}
PAGE_ERRORS = ("invalid_request", *ADMIN_ERRORS)


def describe_admin_endpoint(
    method: str, path: str, summary: str, responses: dict[int, type[BaseModel] | str], **more: object
) -> ApiEndpoint:
    permission = ADMIN_ROUTES[method, path]
    settings = {"auth": ADMIN, "errors": ADMIN_ERRORS, "group": "admin", "permission": permission} | more
    return ApiEndpoint(method, "/v1/admin/{tenant}" + path, summary, responses, **settings)  # type: ignore[arg-type]


URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
STATUS_BY_CODE: dict[str, int] = {
    "invalid_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "id_reused": 409,
    "stale_epoch": 409,
    "conflict": 409,
    "too_large": 413,
    "document_too_large": 413,
    "unsupported_media_type": 415,
    "unprocessable": 422,
    "rate_limited": 429,
    "unavailable": 503,
}
