"""What a request from Slack carries: an event as JSON, or an interaction or a command as a form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl

import orjson

from connectors.markup import printable
from schemas.errors import InvalidRequest
from schemas.ports import RawRequest

Json = dict[str, Any]
What = Literal["events_api", "interactive", "slash_commands"]
"""The three kinds of Slack's payloads, under the names that its sockets give them."""
MOST_FIELDS = 100


def payload_of(request: RawRequest) -> tuple[What, Json]:
    """Raises InvalidRequest."""
    if not is_form(request):
        return "events_api", decoded(request.body)
    fields = form(request)
    if "payload" in fields:
        return "interactive", decoded(fields["payload"])
    if "command" in fields:
        return "slash_commands", fields
    raise InvalidRequest("the form has neither a payload nor a command")


def is_form(request: RawRequest) -> bool:
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def form(request: RawRequest) -> Json:
    """Raises InvalidRequest, also for a field that is there twice: nobody could say which of them counts."""
    try:
        pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise InvalidRequest("the form has too many fields") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise InvalidRequest("the form has a field twice")
    return fields


def decoded(raw: bytes | str) -> Json:
    """A JSON object. Raises InvalidRequest."""
    try:
        value = orjson.loads(raw)
    except ValueError:
        value = _mended(raw)
    if not isinstance(value, dict):
        raise InvalidRequest("the body is no JSON object")
    return value


def _mended(raw: bytes | str) -> Any:
    """Half an emoji is no reason to lose a message: a lone surrogate becomes U+FFFD."""
    try:
        return orjson.loads(printable(json.dumps(json.loads(raw), ensure_ascii=False)))
    except (ValueError, RecursionError):
        raise InvalidRequest("the body is no JSON") from None


def is_ssl_check(request: RawRequest) -> bool:
    """Now and then Slack looks whether the certificate of a command's address is good, and does not sign that."""
    if request.method == "GET":
        return request.query.get("ssl_check") == "1"
    if not is_form(request) or b"ssl_check" not in request.body:
        return False
    try:
        return form(request).get("ssl_check") == "1"
    except InvalidRequest:
        return False


def challenge(request: RawRequest) -> str | None:
    """What is to be sent back to show that the address is ours. Raises InvalidRequest."""
    # A look at the bytes first: nearly no request is a challenge, and decoding all of them twice would cost.
    if is_form(request) or b"url_verification" not in request.body:
        return None
    asked = decoded(request.body)
    if asked.get("type") != "url_verification":
        return None
    if not isinstance(asked.get("challenge"), str):
        raise InvalidRequest("challenge: must be text")
    return str(asked["challenge"])


def usage(request: RawRequest) -> str | None:
    """What a command without a question is answered. Raises InvalidRequest."""
    if not is_form(request) or b"command=" not in request.body:
        return None
    fields = form(request)
    return None if "command" not in fields or "payload" in fields else usage_of(fields)


def usage_of(command: Mapping[str, Any]) -> str | None:
    """The same, of a command's fields."""
    if str(command.get("text") or "").strip():
        return None
    return f"Write your question after the command: {command.get('command')} Do you deliver to islands?"
