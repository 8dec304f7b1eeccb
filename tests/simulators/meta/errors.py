"""Graph's failures: one shape, told apart by ``code`` and ``error_subcode``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STATUS = {
    0: 401,
    2: 503,
    3: 500,
    10: 403,
    104: 401,
    190: 401,
    200: 403,
    230: 403,
    368: 403,
    131000: 500,
    131005: 403,
    131016: 500,
    131031: 403,
    131057: 503,
    132001: 404,
}
"""HTTP status by code; 400 for all others. Callers are told to look at the code."""

TITLES = {
    130429: "Rate limit hit",
    131000: "Something went wrong",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131026: "Message undeliverable",
    131047: "Re-engagement message",
    131051: "Unsupported message type",
    131053: "Media upload error",
    131056: "(Business Account, Consumer Account) pair rate limit hit",
    132000: "Number of parameters does not match the expected number of params",
    132001: "Template name does not exist in the translation",
}
"""WhatsApp's codes that this server uses."""


class GraphError(Exception):
    """``details`` is WhatsApp's ``error_data.details``; Instagram's errors have none."""

    def __init__(
        self, code: int, message: str = "", *, subcode: int | None = None, details: str = "", status: int = 0
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message or f"(#{code}) {TITLES.get(code, 'An error occurred')}"
        self.subcode = subcode
        self.details = details
        self.status = status or STATUS.get(code, 400)

    def body(self, trace: str, type_: str = "OAuthException") -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.message, "type": type_, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        return {"error": {**error, "fbtrace_id": trace}}

    def in_status(self) -> dict[str, Any]:
        """As it stands in the ``errors`` of a ``failed`` status."""
        title = TITLES.get(self.code, "Something went wrong")
        return {
            "code": self.code,
            "title": title,
            "message": title,
            "error_data": {"details": self.details or title},
            "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
        }


def make_missing_error(name: str) -> GraphError:
    return GraphError(100, f"(#100) The parameter {name} is required.")


def make_invalid_error(details: str) -> GraphError:
    return GraphError(131009, details=details)


def too_long(name: str, limit: int) -> GraphError:
    return GraphError(100, f"(#100) Param {name} must be at most {limit} characters long.")


def unknown_object(node: str, method: str) -> GraphError:
    return GraphError(
        100,
        f"Unsupported {method.lower()} request. Object with ID '{node}' does not exist, cannot be loaded due to missing"
        " permissions, or does not support this operation",
        subcode=33,
    )


@contextmanager
def well_formed() -> Iterator[None]:
    """Checks run inside it: a value of another type than it should have is refused, wherever it stands."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError):
        raise GraphError(100, "(#100) Invalid parameter") from None


def parse_json(text: bytes) -> dict[str, Any]:
    """A JSON object from outside. Raises GraphError."""
    try:
        found = json.loads(text)
    except ValueError:
        raise GraphError(100, "(#100) The request body is not valid JSON") from None
    if not isinstance(found, dict):
        raise GraphError(100, "(#100) The request body must be a JSON object")
    return found
