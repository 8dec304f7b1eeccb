"""HTTP endpoints as actions: a fixed host, typed parameters, and an answer that is believed only as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, ConfigDict
from yarl import URL

from agent_worker.actions.arguments import plain
from agent_worker.actions.context import ActionContext
from agent_worker.actions.failures import ActionFailed, ActionRefused, ActionUnknown

MOST = 1_000_000
"""Bytes of an answer."""
SAID = 300
"""Characters of a refusal that are passed on."""
Part = Literal["id", "email", "phone"]
_LATER = frozenset({401, 403, 407, 408, 425, 429})
"""Statuses that say that nothing was done, and nothing about what was asked for."""


class Answer(BaseModel):
    """Whatever the endpoint answers, as it is."""

    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``contact``: what of the contact is sent, by the name it has there. ``look_up_url`` holds ``{key}``; a 404 there
    means that nothing is known under the key."""

    method: str
    url: str
    contact: Mapping[str, Part] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    key_header: str = "Idempotency-Key"
    look_up_url: str = ""

    async def run(self, context: ActionContext, arguments: BaseModel) -> Answer:
        """Raises ActionRefused, ActionFailed, ActionUnknown."""
        values = {**plain(arguments), **{name: _of_contact(context, part) for name, part in self.contact.items()}}
        url, rest = _filled(self.url, values)
        sent: dict[str, Any] = {"json": rest}
        if self.method == "GET":
            sent = {"params": {name: _text(value) for name, value in rest.items()}}
        found = await self._ask(context, self.method, url, sent)
        if found is None:
            raise ActionRefused("there is nothing like that")
        return found

    async def look_up(self, context: ActionContext, arguments: BaseModel) -> Answer | None:
        """By the key alone: None when it is not known there."""
        url, _ = _filled(self.look_up_url, {"key": context.key})
        try:
            return await self._ask(context, "GET", url, {})
        except ActionRefused as error:
            raise ActionUnknown(error.reason) from error

    async def _ask(self, context: ActionContext, method: str, url: URL, sent: Mapping[str, Any]) -> Answer | None:
        headers = {**self.headers, "Accept": "application/json"}
        if context.key and self.key_header:
            headers[self.key_header] = context.key
        try:
            # The host is the configuration's, whatever the answer would have us ask next.
            async with context.http.request(method, url, headers=headers, allow_redirects=False, **sent) as response:
                return _answer(response.status, await _json(response))
        except aiohttp.ClientConnectorError as error:
            raise ActionFailed("the connection could not be made") from error
        except aiohttp.ClientError as error:
            raise ActionUnknown(f"the connection broke ({type(error).__name__})") from error


def _filled(url: str, values: Mapping[str, Any]) -> tuple[URL, dict[str, Any]]:
    """The address with its parameters, and those that do not stand in it. A value cannot become more than a value."""
    rest = dict(values)
    for name in values:
        if f"{{{name}}}" in url:
            text = _text(rest.pop(name))
            if not text or set(text) <= {"."}:
                raise ActionRefused("there is nothing like that")
            url = url.replace(f"{{{name}}}", quote(text, safe=""))
    if "{" in url:
        raise ActionRefused("something is missing")
    return URL(url, encoded=True), rest


async def _json(response: aiohttp.ClientResponse) -> dict[str, Any] | None:
    """None for what is no JSON object, or too long."""
    if "json" not in response.content_type:
        return {} if response.status == 204 else None
    body = await response.content.read(MOST + 1)
    while len(body) <= MOST and (more := await response.content.read(MOST + 1 - len(body))):
        body += more
    if len(body) > MOST:
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _answer(status: int, found: dict[str, Any] | None) -> Answer | None:
    """None for 404."""
    if 200 <= status < 300:
        if found is None:
            raise ActionUnknown("the answer is no JSON")
        return Answer.model_validate(found)
    if status == 404:
        return None
    if status in _LATER:
        raise ActionFailed(f"it was not let in now (HTTP {status})")
    if 400 <= status < 500:
        raise ActionRefused(_said(found))
    raise ActionUnknown(f"HTTP {status}")


def _said(found: dict[str, Any] | None) -> str:
    for name in ("reason", "message", "detail", "error"):
        value = (found or {}).get(name)
        value = value.get("message") if isinstance(value, dict) else value
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())[:SAID]
    return ""


def _of_contact(context: ActionContext, part: Part) -> str:
    if part == "id":
        return context.contact.id
    for address in context.contact.verified:
        if address.channel == part:
            return address.value
    raise ActionRefused(f"no {part} of yours is confirmed")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
