"""The list of conversations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlencode

from aiohttp import web

from connectors.registry import CHANNELS
from gateway.admin.contact_names import contacts_of
from gateway.console.conversation_status import clock, is_mine, state_of, wait_of, waits_since
from gateway.console.html import Html, button, joined, moment, tag
from gateway.console.layout import page, path_of
from gateway.console.live_updates import Live
from gateway.console.sessions import Operator
from gateway.wiring.parts import Parts
from schemas.content import describe_content
from schemas.conversation import Contact, Conversation, Owner, display_name
from schemas.errors import InvalidRequest
from schemas.messages import TranscriptMessage
from schemas.ports import Page

FILTERS = {"": "All", "queue": "Waiting", "mine": "Mine", "person": "With people", "agent": "Agent", "closed": "Closed"}
PAGE = 50
LONGEST_QUEUE = 200
"""Conversations that wait for a person, or that one operator has, which are looked at to be put in order."""
LAST_WORDS = 140
"""Characters of the newest line."""
SPEAKERS = {"agent": "Agent: ", "person": "Colleague: ", "system": "System: "}
_OWNERS: dict[str, Owner] = {
    "queue": "queue",
    "mine": "person",
    "person": "person",
    "agent": "agent",
    "closed": "closed",
}


def everybody(tenant: str) -> str:
    """The topic of signals about a tenant's list."""
    return f"console:{tenant}"


class Inbox:
    def __init__(self, parts: Parts, live: Live) -> None:
        self._parts = parts
        self._state = parts.state
        self._live = live

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        tenant, state = request.match_info["tenant"], request.query.get("state", "")
        channel, after = request.query.get("channel", ""), request.query.get("after", "")
        if state not in FILTERS or (channel and channel not in CHANNELS):
            raise InvalidRequest("there is no such filter")

        async def render() -> Html:
            return await self._list(tenant, state, channel, after, operator)

        def whole(live: Html) -> web.Response:
            head = tag("div", tag("h1", "Conversations"), self._filters(tenant, state, channel), class_="head")
            return page(operator, tenant, "conversations", f"Conversations of {tenant}", head, live)

        return await self._live.answer(request, everybody(tenant), render, whole)

    async def _list(self, tenant: str, state: str, channel: str, after: str, operator: Operator) -> Html:
        found = await self._items(tenant, state, channel, after, operator)
        known = await contacts_of(self._state.contacts, found.items)
        last = await asyncio.gather(*(self._state.transcript.read_recent(item.id, limit=3) for item in found.items))
        rows = [
            self._row(tenant, item, known.get(item.origin.contact_id), lines, operator)
            for item, lines in zip(found.items, last, strict=True)
        ]
        waiting = await self._state.conversations.count(tenant, "queue")
        told = f"{waiting} waiting for a person" if waiting else "Nobody waits for a person"
        return joined(
            tag("p", told, class_="sum", data_told=told),
            tag("ol", rows, class_="talks", aria_label="Conversations, those that wait for a person first")
            if rows
            else tag("p", "No conversation here.", class_="empty"),
            self._more(tenant, state, channel, found.next),
        )

    async def _items(self, tenant: str, state: str, channel: str, after: str, operator: Operator) -> Page:
        """One page. The first begins with those who wait for a person, the longest wait on top."""
        if state == "mine":
            people = await self._newest(tenant, "person", channel)
            return Page([item for item in people.items if is_mine(item, operator)][:PAGE])
        if after or state not in ("", "queue"):
            return await self._state.conversations.list_page(
                tenant, owner=_OWNERS.get(state), channel=channel, after=after, limit=PAGE
            )
        queue = await self._newest(tenant, "queue", channel)
        section = self._parts.config.tenants[tenant]
        waiting = sorted(queue.items, key=lambda item: waits_since(item, section))
        if state == "queue":
            return Page(waiting, queue.next)
        newest = await self._state.conversations.list_page(tenant, channel=channel, limit=PAGE)
        pinned = {item.id for item in waiting}
        return Page([*waiting, *(item for item in newest.items if item.id not in pinned)], newest.next)

    async def _newest(self, tenant: str, owner: Owner, channel: str) -> Page:
        return await self._state.conversations.list_page(tenant, owner=owner, channel=channel, limit=LONGEST_QUEUE)

    def _row(
        self,
        tenant: str,
        item: Conversation,
        contact: Contact | None,
        lines: Sequence[TranscriptMessage],
        operator: Operator,
    ) -> Html:
        link = tag(
            "a",
            tag("span", display_name(contact, item.origin), class_="name"),
            state_of(item, operator),
            tag("span", item.origin.channel, class_="channel"),
            tag("span", _last_words(lines), class_="last"),
            clock(wait_of(item, self._parts.config.tenants[tenant])),
            moment(item.updated_at, class_="at"),
            href=path_of(tenant, "conversations", item.id),
            id=f"talk-{item.id}",
        )
        return tag("li", link)

    def _filters(self, tenant: str, state: str, channel: str) -> Html:
        base, kept = path_of(tenant, "conversations"), {"channel": channel} if channel else {}
        links = [
            tag("a", text, href=_address(base, {"state": name} | kept), aria_current="true" if name == state else None)
            for name, text in FILTERS.items()
        ]
        used = [name for name, accounts in self._parts.config.tenants[tenant].channels.accounts().items() if accounts]
        options = [tag("option", name, value=name, selected=name == channel) for name in used]
        return joined(
            tag("nav", links, aria_label="State", class_="tabs"),
            tag(
                "form",
                tag("input", type="hidden", name="state", value=state),
                tag("label", "Channel", tag("select", tag("option", "All", value=""), options, name="channel")),
                button("Show", class_="plain"),
                tag(
                    "label",
                    "Find on this page",
                    _search(),
                    hidden=True,
                ),
                class_="filter",
            ),
        )

    def _more(self, tenant: str, state: str, channel: str, following: str) -> Html | None:
        if not following:
            return None
        query = {"state": state, "channel": channel, "after": following}
        return tag("p", tag("a", "Older conversations", href=_address(path_of(tenant, "conversations"), query)))


def _last_words(lines: Sequence[TranscriptMessage]) -> str:
    """The newest line that somebody wrote, in short, and who wrote it unless it was the contact."""
    if not lines:
        return ""
    line = next((line for line in reversed(lines) if line.author.kind != "system"), lines[-1])
    said = " ".join(line.text.split()) or "; ".join(describe_content(line))
    text = said or ", ".join(file.name for file in line.attachments)
    return f"{SPEAKERS.get(line.author.kind, '')}{text if len(text) <= LAST_WORDS else f'{text[: LAST_WORDS - 1]}…'}"


def _search() -> Html:
    return tag("input", type="search", id="find", autocomplete="off")


def _address(base: str, query: dict[str, str]) -> str:
    kept = urlencode({name: value for name, value in query.items() if value})
    return f"{base}?{kept}" if kept else base
