"""Actions backed by HTTP endpoints with a fixed host and typed parameters. Only JSON answers are accepted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, ConfigDict
from yarl import URL

from agent_worker.actions.arguments import dump_arguments
from agent_worker.actions.context import ActionContext
from agent_worker.actions.failures import ActionFailed, ActionRefused, ActionUnknown

MAX_ANSWER_BYTES = 1_000_000
MAX_REASON_LENGTH = 300
"""Characters of a refusal that are passed on."""
Part = Literal["id", "email", "phone"]
_TEMPORARY_STATUSES = frozenset({401, 403, 407, 408, 425, 429})
"""Statuses that mean that nothing was done, without any verdict on the request itself."""


class EndpointAnswer(BaseModel):
    """The endpoint's answer, unchanged."""

    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True, slots=True)
class ActionEndpoint:
    """``contact`` maps parameter names to parts of the contact's identity that are sent. ``look_up_url`` contains
    ``{key}``; a 404 there means that nothing is known under the key."""

    method: str
    url: str
    contact: Mapping[str, Part] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    key_header: str = "Idempotency-Key"
    look_up_url: str = ""

    async def run(self, context: ActionContext, arguments: BaseModel) -> EndpointAnswer:
        """Raises ActionRefused, ActionFailed, ActionUnknown."""
        values = {
            **dump_arguments(arguments),
            **{name: _contact_value(context, part) for name, part in self.contact.items()},
        }
        url, rest = _fill_url(self.url, values)
        payload: dict[str, Any] = {"json": rest}
        if self.method == "GET":
            payload = {"params": {name: _text(value) for name, value in rest.items()}}
        answer = await self._ask(context, self.method, url, payload)
        if answer is None:
            raise ActionRefused("nothing was found")
        return answer

    async def look_up(self, context: ActionContext, arguments: BaseModel) -> EndpointAnswer | None:
        """Look up the outcome by the idempotency key alone. None when the endpoint does not know the key."""
        url, _ = _fill_url(self.look_up_url, {"key": context.key})
        try:
            return await self._ask(context, "GET", url, {})
        except ActionRefused as error:
            raise ActionUnknown(error.reason) from error

    async def _ask(
        self, context: ActionContext, method: str, url: URL, payload: Mapping[str, Any]
    ) -> EndpointAnswer | None:
        headers = {**self.headers, "Accept": "application/json"}
        if context.key and self.key_header:
            headers[self.key_header] = context.key
        try:
            # No redirects: the host is fixed by the configuration.
            async with context.http.request(method, url, headers=headers, allow_redirects=False, **payload) as response:
                return _answer(response.status, await _json(response))
        except aiohttp.ClientConnectorError as error:
            raise ActionFailed("no connection could be made") from error
        except aiohttp.ClientError as error:
            raise ActionUnknown(f"the connection broke ({type(error).__name__})") from error


def _fill_url(url: str, values: Mapping[str, Any]) -> tuple[URL, dict[str, Any]]:
    """The URL with its parameters filled in, and the values that do not occur in it. Values are quoted, so they cannot
    change the URL's structure."""
    rest = dict(values)
    for name in values:
        if f"{{{name}}}" in url:
            text = _text(rest.pop(name))
            if not text or set(text) <= {"."}:
                raise ActionRefused("nothing was found")
            url = url.replace(f"{{{name}}}", quote(text, safe=""))
    if "{" in url:
        raise ActionRefused("something is missing")
    return URL(url, encoded=True), rest


async def _json(response: aiohttp.ClientResponse) -> dict[str, Any] | None:
    """None when the answer is not a JSON object, or too long."""
    if "json" not in response.content_type:
        return {} if response.status == 204 else None
    body = await response.content.read(MAX_ANSWER_BYTES + 1)
    while len(body) <= MAX_ANSWER_BYTES and (more := await response.content.read(MAX_ANSWER_BYTES + 1 - len(body))):
        body += more
    if len(body) > MAX_ANSWER_BYTES:
        return None
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _answer(status: int, answer: dict[str, Any] | None) -> EndpointAnswer | None:
    """None for 404."""
    if 200 <= status < 300:
        if answer is None:
            raise ActionUnknown("the answer is not JSON")
        return EndpointAnswer.model_validate(answer)
    if status == 404:
        return None
    if status in _TEMPORARY_STATUSES:
        raise ActionFailed(f"the endpoint does not accept it at the moment (HTTP {status})")
    if 400 <= status < 500:
        raise ActionRefused(_refusal_reason(answer))
    raise ActionUnknown(f"HTTP {status}")


def _refusal_reason(answer: dict[str, Any] | None) -> str:
    for name in ("reason", "message", "detail", "error"):
        value = (answer or {}).get(name)
        value = value.get("message") if isinstance(value, dict) else value
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())[:MAX_REASON_LENGTH]
    return ""


def _contact_value(context: ActionContext, part: Part) -> str:
    if part == "id":
        return context.contact.id
    for address in context.contact.verified:
        if address.channel == part:
            return address.value
    raise ActionRefused(f"you have no confirmed {part}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
