"""Slack's HTTP requests: events as JSON, interactions and commands as forms, and requests that are answered at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl

import orjson

from connectors.markup import clean_text
from schemas.errors import InvalidRequest
from schemas.ports import RawRequest

Json = dict[str, Any]
PayloadKind = Literal["events_api", "interactive", "slash_commands"]
"""Slack's three kinds of payloads, with the names that Socket Mode uses."""
MAX_FIELDS = 100


def read_payload(request: RawRequest) -> tuple[PayloadKind, Json]:
    """Raises InvalidRequest."""
    if not is_form(request):
        return "events_api", parse_json(request.body)
    fields = parse_form(request)
    if "payload" in fields:
        return "interactive", parse_json(fields["payload"])
    if "command" in fields:
        return "slash_commands", fields
    raise InvalidRequest("the form has neither a payload nor a command")


def is_form(request: RawRequest) -> bool:
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def parse_form(request: RawRequest) -> Json:
    """Raises InvalidRequest, also for a field that occurs twice, because it is unclear which one counts."""
    try:
        pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise InvalidRequest("the form has too many fields") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise InvalidRequest("the form has a field twice")
    return fields


def parse_json(raw: bytes | str) -> Json:
    """Return a JSON object. Raises InvalidRequest."""
    try:
        value = orjson.loads(raw)
    except ValueError:
        value = _parse_repaired(raw)
    if not isinstance(value, dict):
        raise InvalidRequest("the body is no JSON object")
    return value


def _parse_repaired(raw: bytes | str) -> Any:
    """Parse JSON with lone surrogates, which become U+FFFD: half an emoji must not lose a message."""
    try:
        return orjson.loads(clean_text(json.dumps(json.loads(raw), ensure_ascii=False)))
    except (ValueError, RecursionError):
        raise InvalidRequest("the body is no JSON") from None


def is_ssl_check(request: RawRequest) -> bool:
    """Return whether Slack is checking the certificate of a command's address. Such requests are not signed."""
    if request.method == "GET":
        return request.query.get("ssl_check") == "1"
    if not is_form(request) or b"ssl_check" not in request.body:
        return False
    try:
        return parse_form(request).get("ssl_check") == "1"
    except InvalidRequest:
        return False


def answer_challenge(request: RawRequest) -> str | None:
    """Return the answer that proves the address is ours, None for other requests. Raises InvalidRequest."""
    # The bytes are searched first, because decoding every request twice would be expensive.
    if is_form(request) or b"url_verification" not in request.body:
        return None
    payload = parse_json(request.body)
    if payload.get("type") != "url_verification":
        return None
    if not isinstance(payload.get("challenge"), str):
        raise InvalidRequest("challenge: must be text")
    return str(payload["challenge"])


def answer_usage(request: RawRequest) -> str | None:
    """Return the answer to a command without a question, None for other requests. Raises InvalidRequest."""
    if not is_form(request) or b"command=" not in request.body:
        return None
    fields = parse_form(request)
    return None if "command" not in fields or "payload" in fields else build_usage(fields)


def build_usage(command: Mapping[str, Any]) -> str | None:
    """Return the usage text for a command's fields; None if it has a question."""
    if str(command.get("text") or "").strip():
        return None
    return f"Write your question after the command: {command.get('command')} Do you deliver to islands?"
