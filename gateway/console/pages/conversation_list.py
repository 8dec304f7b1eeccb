"""The page with the list of conversations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web
from markupsafe import Markup

from connectors.registry import CHANNELS
from gateway.console.conversation_status import (
    OwnerStatus,
    Wait,
    describe_owner,
    find_wait,
    get_urgency,
    is_mine,
)
from gateway.console.live_updates import LivePart, LiveUpdates
from gateway.console.rendering import build_path, build_url, render, render_page
from gateway.console.sessions import Operator
from gateway.contacts.contact_names import load_contacts
from gateway.wiring.process_services import ProcessServices
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


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation in the list."""

    id: str
    name: str
    owner: OwnerStatus
    channel: str
    excerpt: str
    wait: Wait | None
    updated_at: datetime


class ConversationListPage:
    def __init__(self, services: ProcessServices, live: LiveUpdates) -> None:
        self._services = services
        self._state = services.state
        self._live = live

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        tenant, state = request.match_info["tenant"], request.query.get("state", "")
        channel, after = request.query.get("channel", ""), request.query.get("after", "")
        if state not in FILTERS or (channel and channel not in CHANNELS):
            raise InvalidRequest("there is no such filter")

        async def render_part() -> Markup:
            return await self._render_list(tenant, state, channel, after, operator)

        def render_whole_page(live: LivePart) -> web.Response:
            accounts = self._services.config.tenants[tenant].channels.accounts()
            return render_page(
                "conversation_list.html",
                operator,
                tenant,
                "conversations",
                filters=FILTERS,
                state=state,
                channels=[name for name, configured in accounts.items() if configured],
                channel=channel,
                live=live,
            )

        return await self._live.respond(request, list_topic(tenant), render_part, render_whole_page)

    async def _render_list(self, tenant: str, state: str, channel: str, after: str, operator: Operator) -> Markup:
        page = await self._load_page(tenant, state, channel, after, operator)
        contacts = await load_contacts(self._state.contacts, page.items)
        last = await asyncio.gather(*(self._state.transcript.read_recent(item.id, limit=3) for item in page.items))
        rows = [
            self._build_row(item, contacts.get(item.origin.contact_id), lines, operator)
            for item, lines in zip(page.items, last, strict=True)
        ]
        waiting = await self._state.conversations.count(tenant, "queue")
        older = {"state": state, "channel": channel, "after": page.next}
        return render(
            "conversation_rows.html",
            tenant=tenant,
            summary=f"{waiting} waiting for a person" if waiting else "Nobody is waiting for a person",
            rows=rows,
            older_url=build_url(build_path(tenant, "conversations"), older) if page.next else "",
        )

    async def _load_page(self, tenant: str, state: str, channel: str, after: str, operator: Operator) -> Page:
        """Load a page. The first begins with the conversations that wait for a person, the most urgent first."""
        if state == "mine":
            people = await self._load_newest(tenant, "person", channel)
            return Page([item for item in people.items if is_mine(item, operator)][:PAGE_SIZE])
        if after or state not in ("", "queue"):
            return await self._state.conversations.list_page(
                tenant, owner=_OWNERS.get(state), channel=channel, after=after, limit=PAGE_SIZE
            )
        queue = await self._load_newest(tenant, "queue", channel)
        section = self._services.config.tenants[tenant]
        waiting = sorted(queue.items, key=lambda item: get_urgency(item, section))
        if state == "queue":
            return Page(waiting, queue.next)
        newest = await self._state.conversations.list_page(tenant, channel=channel, limit=PAGE_SIZE)
        pinned = {item.id for item in waiting}
        return Page([*waiting, *(item for item in newest.items if item.id not in pinned)], newest.next)

    async def _load_newest(self, tenant: str, owner: Owner, channel: str) -> Page:
        return await self._state.conversations.list_page(tenant, owner=owner, channel=channel, limit=MAX_QUEUE)

    def _build_row(
        self, item: Conversation, contact: Contact | None, lines: Sequence[TranscriptMessage], operator: Operator
    ) -> Row:
        return Row(
            item.id,
            display_name(contact, item.origin),
            describe_owner(item, operator),
            item.origin.channel,
            _build_excerpt(lines),
            find_wait(item, self._services.config.tenants[item.origin.tenant]),
            item.updated_at,
        )


def _build_excerpt(lines: Sequence[TranscriptMessage]) -> str:
    """Shorten the newest line, and name its author unless it is the contact."""
    if not lines:
        return ""
    line = next((line for line in reversed(lines) if line.author.kind != "system"), lines[-1])
    text = " ".join(line.text.split()) or "; ".join(describe_content(line))
    text = text or ", ".join(file.name for file in line.attachments)
    excerpt = text if len(text) <= MAX_EXCERPT else f"{text[: MAX_EXCERPT - 1]}…"
    return SPEAKERS.get(line.author.kind, "") + excerpt
