"""Slack's payloads, and the checks of its requests that slack-bolt does not make."""

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


def read_form(request: RawRequest) -> dict[str, str]:
    """Return the fields of a form; none for JSON. Raises InvalidRequest where it is unclear what a request says:
    slack-bolt takes the last of two fields, and guesses from the first character whether a body is JSON."""
    if not _is_form(request):
        if not request.body.lstrip().startswith(b"{"):
            raise InvalidRequest("the body is not a JSON object")
        return {}
    fields = _parse_form(request)
    if fields.keys().isdisjoint({"payload", "command"}):
        raise InvalidRequest("the form has neither a payload nor a command")
    return fields


def is_ssl_check(request: RawRequest) -> bool:
    """Return whether Slack is checking the certificate of a command's address. Such requests are not signed."""
    if request.method == "GET":
        return request.query.get("ssl_check") == "1"
    if not _is_form(request) or b"ssl_check" not in request.body:
        return False
    try:
        return _parse_form(request).get("ssl_check") == "1"
    except InvalidRequest:
        return False


def _is_form(request: RawRequest) -> bool:
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def _parse_form(request: RawRequest) -> dict[str, str]:
    """Raises InvalidRequest, also for a field that occurs twice, because it is unclear which one counts."""
    try:
        pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise InvalidRequest("the form has too many fields") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise InvalidRequest("the form contains a field twice")
    return fields


def repair_payload(payload: Json) -> Json:
    """Replace lone surrogates by U+FFFD: half an emoji must not lose a message. Raises InvalidRequest for what cannot
    be written as JSON."""
    try:
        orjson.dumps(payload)
    except TypeError:
        try:
            repaired: Json = orjson.loads(clean_text(json.dumps(payload, ensure_ascii=False)))
        except (ValueError, RecursionError):
            raise InvalidRequest("the payload is not JSON") from None
        return repaired
    return payload


def build_usage(command: Mapping[str, Any]) -> str:
    """Build the usage text for a command's fields; empty if it has a question."""
    if str(command.get("text") or "").strip():
        return ""
    return f"Write your question after the command: {command.get('command')} Do you deliver to islands?"
