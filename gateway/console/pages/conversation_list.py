"""The page with the list of conversations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlencode

from aiohttp import web

from connectors.registry import CHANNELS
from gateway.admin.contact_names import load_contacts
from gateway.console.conversation_status import find_wait, get_waiting_since, is_mine, render_owner_label, render_wait
from gateway.console.html import Html, button, join, tag, time_tag
from gateway.console.layout import build_path, render_page
from gateway.console.live_updates import LiveUpdates
from gateway.console.sessions import Operator
from gateway.wiring.parts import Parts
from schemas.content import describe_content
from schemas.conversation import Contact, Conversation, Owner, display_name
from schemas.errors import InvalidRequest
from schemas.messages import TranscriptMessage
from schemas.ports import Page

FILTERS = {"": "All", "queue": "Waiting", "mine": "Mine", "person": "With people", "agent": "Agent", "closed": "Closed"}
PAGE_SIZE = 50
MAX_QUEUE = 200
"""Conversations that are loaded for sorting: those that wait for a person, or those that people have."""
MAX_EXCERPT = 140
"""Characters of the newest line in the list."""
SPEAKERS = {"agent": "Agent: ", "person": "Colleague: ", "system": "System: "}
_OWNERS: dict[str, Owner] = {
    "queue": "queue",
    "mine": "person",
    "person": "person",
    "agent": "agent",
    "closed": "closed",
}


def list_topic(tenant: str) -> str:
    """Return the topic of signals about a tenant's list."""
    return f"console:{tenant}"


class ConversationListPage:
    def __init__(self, parts: Parts, live: LiveUpdates) -> None:
        self._parts = parts
        self._state = parts.state
        self._live = live

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        tenant, state = request.match_info["tenant"], request.query.get("state", "")
        channel, after = request.query.get("channel", ""), request.query.get("after", "")
        if state not in FILTERS or (channel and channel not in CHANNELS):
            raise InvalidRequest("there is no such filter")

        async def render_part() -> Html:
            return await self._render_list(tenant, state, channel, after, operator)

        def render_whole_page(live: Html) -> web.Response:
            head = tag("div", tag("h1", "Conversations"), self._render_filters(tenant, state, channel), class_="head")
            return render_page(operator, tenant, "conversations", f"Conversations of {tenant}", head, live)

        return await self._live.respond(request, list_topic(tenant), render_part, render_whole_page)

    async def _render_list(self, tenant: str, state: str, channel: str, after: str, operator: Operator) -> Html:
        page = await self._load_page(tenant, state, channel, after, operator)
        contacts = await load_contacts(self._state.contacts, page.items)
        last = await asyncio.gather(*(self._state.transcript.read_recent(item.id, limit=3) for item in page.items))
        rows = [
            self._render_row(tenant, item, contacts.get(item.origin.contact_id), lines, operator)
            for item, lines in zip(page.items, last, strict=True)
        ]
        waiting = await self._state.conversations.count(tenant, "queue")
        notice = f"{waiting} waiting for a person" if waiting else "Nobody is waiting for a person"
        return join(
            tag("p", notice, class_="sum", data_announce=notice),
            tag("ol", rows, class_="talks", aria_label="Conversations, those waiting for a person first")
            if rows
            else tag("p", "There are no conversations here.", class_="empty"),
            self._render_more_link(tenant, state, channel, page.next),
        )

    async def _load_page(self, tenant: str, state: str, channel: str, after: str, operator: Operator) -> Page:
        """Load a page. The first begins with the conversations that wait for a person, sorted by their wait."""
        if state == "mine":
            people = await self._load_newest(tenant, "person", channel)
            return Page([item for item in people.items if is_mine(item, operator)][:PAGE_SIZE])
        if after or state not in ("", "queue"):
            return await self._state.conversations.list_page(
                tenant, owner=_OWNERS.get(state), channel=channel, after=after, limit=PAGE_SIZE
            )
        queue = await self._load_newest(tenant, "queue", channel)
        section = self._parts.config.tenants[tenant]
        waiting = sorted(queue.items, key=lambda item: get_waiting_since(item, section))
        if state == "queue":
            return Page(waiting, queue.next)
        newest = await self._state.conversations.list_page(tenant, channel=channel, limit=PAGE_SIZE)
        pinned = {item.id for item in waiting}
        return Page([*waiting, *(item for item in newest.items if item.id not in pinned)], newest.next)

    async def _load_newest(self, tenant: str, owner: Owner, channel: str) -> Page:
        return await self._state.conversations.list_page(tenant, owner=owner, channel=channel, limit=MAX_QUEUE)

    def _render_row(
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
            render_owner_label(item, operator),
            tag("span", item.origin.channel, class_="channel"),
            tag("span", _build_excerpt(lines), class_="last"),
            render_wait(find_wait(item, self._parts.config.tenants[tenant])),
            time_tag(item.updated_at, class_="at"),
            href=build_path(tenant, "conversations", item.id),
            id=f"talk-{item.id}",
        )
        return tag("li", link)

    def _render_filters(self, tenant: str, state: str, channel: str) -> Html:
        base, kept_query = build_path(tenant, "conversations"), {"channel": channel} if channel else {}
        links = [
            tag(
                "a",
                text,
                href=_build_url(base, {"state": name} | kept_query),
                aria_current="true" if name == state else None,
            )
            for name, text in FILTERS.items()
        ]
        used = [name for name, accounts in self._parts.config.tenants[tenant].channels.accounts().items() if accounts]
        options = [tag("option", name, value=name, selected=name == channel) for name in used]
        search = tag("input", type="search", id="find", autocomplete="off")
        return join(
            tag("nav", links, aria_label="State", class_="tabs"),
            tag(
                "form",
                tag("input", type="hidden", name="state", value=state),
                tag("label", "Channel", tag("select", tag("option", "All", value=""), options, name="channel")),
                button("Show", class_="plain"),
                tag("label", "Search this page", search, hidden=True),
                class_="filter",
            ),
        )

    def _render_more_link(self, tenant: str, state: str, channel: str, following: str) -> Html | None:
        if not following:
            return None
        query = {"state": state, "channel": channel, "after": following}
        return tag("p", tag("a", "Older conversations", href=_build_url(build_path(tenant, "conversations"), query)))


def _build_excerpt(lines: Sequence[TranscriptMessage]) -> str:
    """Shorten the newest line, and name its author unless it is the contact."""
    if not lines:
        return ""
    line = next((line for line in reversed(lines) if line.author.kind != "system"), lines[-1])
    text = " ".join(line.text.split()) or "; ".join(describe_content(line))
    text = text or ", ".join(file.name for file in line.attachments)
    excerpt = text if len(text) <= MAX_EXCERPT else f"{text[: MAX_EXCERPT - 1]}…"
    return SPEAKERS.get(line.author.kind, "") + excerpt


def _build_url(base: str, query: dict[str, str]) -> str:
    encoded = urlencode({name: value for name, value in query.items() if value})
    return f"{base}?{encoded}" if encoded else base
