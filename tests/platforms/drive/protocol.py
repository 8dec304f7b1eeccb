"""The rules of Google's REST APIs that both use: errors, partial responses, queries.

- Errors of Drive: ``{"error": {"code", "message", "errors": [{"domain", "reason", "message"}]}}``
  (https://developers.google.com/workspace/drive/api/guides/handle-errors).
- Errors of Sheets: ``{"error": {"code", "message", "status", "details"}}`` (https://google.aip.dev/193).
- ``fields`` selects what is returned; without it, ``files`` has kind, id, name and mimeType only
  (https://developers.google.com/workspace/drive/api/guides/fields-parameter).
- ``q``: ``'id' in parents`` and ``trashed = false``, joined by and, or, in parentheses
  (https://developers.google.com/workspace/drive/api/guides/search-files)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

DEFAULT_FIELDS = "kind,id,name,mimeType"


class ApiError(Exception):
    """Answered as Google does. ``sheets`` gives the form of the Sheets API."""

    def __init__(self, status: int, reason: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.headers = status, reason, message, headers or {}

    def response(self, *, sheets: bool = False) -> web.Response:
        error: dict[str, Any] = {"code": self.status, "message": self.message}
        if sheets:
            error["status"] = {403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}.get(
                self.status, "INTERNAL"
            )
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": self.reason}
            error["details"] = [info] if self.reason.isupper() else []
        else:
            error["errors"] = [{"domain": "global", "reason": self.reason, "message": self.message}]
        return web.json_response({"error": error}, status=self.status, headers=self.headers)


def not_found(id: str) -> ApiError:
    return ApiError(404, "notFound", f"File not found: {id}.")


_NAME = re.compile(r"[A-Za-z0-9*]+")
Mask = dict[str, "Mask"]


def parse_fields(text: str) -> Mask:
    """``a,b(c,d),e/f`` → nested names. Raises ApiError."""
    mask, at = _parse_list(text, 0)
    if at != len(text):
        raise ApiError(400, "invalidParameter", f"Invalid field selection {text[at : at + 20]}")
    return mask


def _parse_list(text: str, at: int) -> tuple[Mask, int]:
    mask: Mask = {}
    while True:
        match = _NAME.match(text, at)
        if match is None:
            raise ApiError(400, "invalidParameter", "Invalid field selection")
        at, inner = match.end(), mask.setdefault(match[0], {})
        while text[at : at + 1] in ("/", "."):
            match = _NAME.match(text, at + 1)
            if match is None:
                raise ApiError(400, "invalidParameter", "Invalid field selection")
            at, inner = match.end(), inner.setdefault(match[0], {})
        if text[at : at + 1] == "(":
            nested, at = _parse_list(text, at + 1)
            inner.update(nested)
            if text[at : at + 1] != ")":
                raise ApiError(400, "invalidParameter", "Invalid field selection")
            at += 1
        if text[at : at + 1] != ",":
            return mask, at
        at += 1


def select(value: Any, mask: Mask) -> Any:
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [select(each, mask) for each in value]
    if isinstance(value, dict):
        return {name: select(each, mask[name]) for name, each in value.items() if name in mask}
    return value


_TOKEN = re.compile(r"\s*(\(|\)|and\b|or\b|'([A-Za-z0-9_-]+)'\s+in\s+parents|trashed\s*=\s*(true|false))")
Test = Callable[[str, bool], bool]
"""(parent, trashed) → whether an item matches."""


def parse_query(text: str) -> tuple[Test, list[str]]:
    """The test, and the parents that are named. Raises ApiError."""
    if not text.strip():
        return lambda _parent, _trashed: True, []
    tokens: list[re.Match[str]] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise ApiError(400, "invalid", "Invalid Value")
        tokens.append(match)
        at = match.end()
    test = _parse_or(tokens)
    if tokens:
        raise ApiError(400, "invalid", "Invalid Value")
    return test, re.findall(r"'([A-Za-z0-9_-]+)'\s+in\s+parents", text)


def _either(left: Test, right: Test) -> Test:
    return lambda parent, trashed: left(parent, trashed) or right(parent, trashed)


def _both(left: Test, right: Test) -> Test:
    return lambda parent, trashed: left(parent, trashed) and right(parent, trashed)


def _parse_or(tokens: list[re.Match[str]]) -> Test:
    test = _parse_and(tokens)
    while tokens and tokens[0][1] == "or":
        tokens.pop(0)
        test = _either(test, _parse_and(tokens))
    return test


def _parse_and(tokens: list[re.Match[str]]) -> Test:
    test = _parse_term(tokens)
    while tokens and tokens[0][1] == "and":
        tokens.pop(0)
        test = _both(test, _parse_term(tokens))
    return test


def _parse_term(tokens: list[re.Match[str]]) -> Test:
    if not tokens:
        raise ApiError(400, "invalid", "Invalid Value")
    token = tokens.pop(0)
    if token[1] == "(":
        test = _parse_or(tokens)
        if not tokens or tokens.pop(0)[1] != ")":
            raise ApiError(400, "invalid", "Invalid Value")
        return test
    if token[2]:
        return lambda parent, _trashed: parent == token[2]
    if token[3]:
        return lambda _parent, trashed: trashed == (token[3] == "true")
    raise ApiError(400, "invalid", "Invalid Value")
