"""How the actions talk to the shop."""

from __future__ import annotations

from typing import Any

import aiohttp

from agent_worker.actions import ActionContext, ActionFailed, ActionRefused, ActionUnknown

Answer = dict[str, Any]


async def read(base: str, context: ActionContext, path: str) -> Answer:
    """Raises ActionRefused with the shop's words, ActionFailed when it cannot be reached."""
    try:
        async with context.http.get(f"{base}{path}", headers=_headers(context)) as answer:
            return await _judged(answer)
    except (aiohttp.ClientError, ActionUnknown) as error:
        raise ActionFailed("The shop does not answer at the moment.") from error


async def write(base: str, context: ActionContext, path: str, body: Answer) -> Answer:
    """Raises ActionRefused with the shop's words; ActionFailed when the request was never sent, ActionUnknown when
    nobody can tell what became of it."""
    headers = {**_headers(context), "Idempotency-Key": context.key}
    try:
        async with context.http.post(f"{base}{path}", json=body, headers=headers) as answer:
            return await _judged(answer)
    except aiohttp.ClientConnectorError as error:
        raise ActionFailed("The shop cannot be reached at the moment.") from error
    except (TimeoutError, aiohttp.ClientError) as error:
        raise ActionUnknown("The shop did not answer.") from error


async def check(base: str, context: ActionContext, path: str, body: Answer) -> None:
    """Whether ``write`` would be refused at the moment; nothing is done. Raises as ``read`` does."""
    headers = _headers(context)
    try:
        async with context.http.post(f"{base}{path}", params={"check": "1"}, json=body, headers=headers) as answer:
            await _judged(answer)
    except (aiohttp.ClientError, ActionUnknown) as error:
        raise ActionFailed("The shop does not answer at the moment.") from error


async def effect(base: str, context: ActionContext) -> Answer | None:
    """What the shop did under the key; None when it did nothing."""
    async with context.http.get(f"{base}/effects/{context.key}") as answer:
        if answer.status == 404 and answer.content_type == "application/json":
            return None
        return await _judged(answer)


async def _judged(answer: aiohttp.ClientResponse) -> Answer:
    try:
        body = await answer.json()
    except (aiohttp.ClientError, ValueError) as error:
        raise ActionUnknown("The shop answered with something that is not an answer.") from error
    if answer.status >= 500 or not isinstance(body, dict):
        raise ActionUnknown("The shop is in trouble.")
    if answer.status >= 400:
        raise ActionRefused(str(body.get("error", {}).get("message", "The shop refused it.")))
    return body


def _headers(context: ActionContext) -> dict[str, str]:
    """For whom: every proven address, as the shop names its customers. Nothing that anybody wrote stands in it."""
    known = {"email": "email", "web": "id"}
    proven = {
        f"{known[address.channel]}:{address.value.removeprefix('id:')}"
        for address in context.contact.verified
        if address.channel in known
    }
    return {"Customer": ",".join(sorted(proven)) or f"contact:{context.contact.id}"}
