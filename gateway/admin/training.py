"""The export of what was said, one JSON line at a time: as long as the log is, and never whole in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

from aiohttp import web

from connectors.registry import CHANNELS
from gateway.training import conversation_log
from gateway.training.conversation_log import ConversationEvent, ConversationLog
from gateway.training.examples import build_examples
from gateway.training.export_rows import ConversationExample, Preference
from gateway.wiring.engines import channels_of
from gateway.wiring.parts import Parts
from schemas.errors import InvalidRequest
from schemas.privacy.cards import OwnNumbers

KINDS = ("approved", "rejected")
NDJSON = "application/x-ndjson"
_Found = tuple[str, list[ConversationEvent]]


class TrainingDesk:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        # Each takes as much disk as the tenant's part of the log.
        self._one = asyncio.Lock()

    async def export(self, request: web.Request) -> web.StreamResponse:
        """``?kind`` is approved or rejected, both when not given; ``since`` and ``until`` (ISO 8601) bound when a
        conversation was last answered. Raises InvalidRequest, BusUnavailable."""
        tenant, query = request.match_info["tenant"], request.query
        kind, channel = query.get("kind", ""), query.get("channel", "")
        if kind and kind not in KINDS:
            raise InvalidRequest(f"kind: must be one of {', '.join(KINDS)}")
        if channel and channel not in CHANNELS:
            raise InvalidRequest(f"channel: must be one of {', '.join(CHANNELS)}")
        since, until = _instant("since", query.get("since", "")), _instant("until", query.get("until", ""))
        async with self._one:
            with conversation_log.open_conversation_log(self._parts.config.data_path / "exports") as gathered:
                channels = [channel] if channel else channels_of(self._parts.config)
                await gathered.gather(self._parts.bus, tenant, channels)
                response = web.StreamResponse(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
                await response.prepare(request)
                await self._write(response, tenant, kind, gathered, since, until)
                await response.write_eof()
        return response

    async def _write(
        self,
        response: web.StreamResponse,
        tenant: str,
        kind: str,
        gathered: ConversationLog,
        since: datetime | None,
        until: datetime | None,
    ) -> None:
        own = self._parts.config.tenants[tenant].protection.own_number_finder
        conversations = gathered.conversations(since, until)
        while (found := await gathered.run_in_thread(_next, conversations)) is not None:
            names = await self._names(tenant, found[0])
            lines = await gathered.run_in_thread(_lines, tenant, found, own, names, kind)
            if lines:
                await response.write(lines)

    async def _names(self, tenant: str, conversation: str) -> list[str]:
        """Of its contact; messages do not always say it."""
        known = await self._parts.state.conversations.get(conversation)
        contact = known and await self._parts.state.contacts.get(tenant, known.origin.contact_id)
        return [contact.name] if contact and contact.name else []


def _next(conversations: Iterator[_Found]) -> _Found | None:
    return next(conversations, None)


def _lines(tenant: str, found: _Found, own: OwnNumbers | None, names: list[str], kind: str) -> bytes:
    wanted: tuple[type, ...] = {"approved": (ConversationExample,), "rejected": (Preference,)}.get(
        kind, (ConversationExample, Preference)
    )
    made = build_examples(tenant, *found, own, names)
    return b"".join(row.model_dump_json().encode() + b"\n" for row in made if isinstance(row, wanted))


def _instant(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{name}: must be a date or an instant such as 2026-05-04T09:30:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
