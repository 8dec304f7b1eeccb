"""The export of training data from the log, streamed as JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime

from aiohttp import web

from connectors.registry import CHANNELS
from gateway.http.query_times import parse_instant
from gateway.training_export import conversation_grouping
from gateway.training_export.conversation_grouping import ConversationEvent, ConversationGrouping
from gateway.training_export.conversation_history import EXPORT_TYPES
from gateway.training_export.examples import FindPassages, build_examples
from gateway.training_export.export_rows import ConversationExample, Preference
from gateway.wiring.engines import channels_of
from gateway.wiring.process_services import ProcessServices
from schemas import topics
from schemas.errors import InvalidRequest
from schemas.privacy.cards import OwnNumbers

KINDS = ("approved", "rejected")
NDJSON = "application/x-ndjson"
_ConversationFacts = tuple[str, list[ConversationEvent]]


class TrainingExportApi:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        # An export takes as much disk space as the tenant's part of the log, so only one runs at a time.
        self._export_lock = asyncio.Lock()

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Export the rows of ``?kind`` (approved or rejected, by default both). ``since`` and ``until`` (ISO 8601)
        limit the time when a conversation was last answered. Raises InvalidRequest, BusUnavailable."""
        tenant, query = request.match_info["tenant"], request.query
        kind, channel = query.get("kind", ""), query.get("channel", "")
        if kind and kind not in KINDS:
            raise InvalidRequest(f"kind: must be one of {', '.join(KINDS)}")
        if channel and channel not in CHANNELS:
            raise InvalidRequest(f"channel: must be one of {', '.join(CHANNELS)}")
        since, until = parse_instant("since", query.get("since", "")), parse_instant("until", query.get("until", ""))
        async with self._export_lock:
            with conversation_grouping.open_conversation_grouping(
                self._services.config.data_path / "exports"
            ) as gathered:
                channels = [channel] if channel else channels_of(self._services.config)
                sources = [*map(topics.inbound, channels), topics.EVENTS]
                await gathered.gather(self._services.bus, tenant, sources, EXPORT_TYPES)
                response = web.StreamResponse(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
                await response.prepare(request)
                await self._write_rows(response, tenant, kind, gathered, since, until)
                await response.write_eof()
        return response

    async def _write_rows(
        self,
        response: web.StreamResponse,
        tenant: str,
        kind: str,
        gathered: ConversationGrouping,
        since: datetime | None,
        until: datetime | None,
    ) -> None:
        own = self._services.config.tenants[tenant].protection.own_number_finder
        conversations = gathered.conversations(since, until)
        while (facts := await gathered.run_in_thread(_read_next, conversations)) is not None:
            names = await self._find_contact_names(tenant, facts[0])
            find = gathered.find_passages
            lines = await gathered.run_in_thread(_serialize_rows, tenant, facts, own, names, find, kind)
            if lines:
                await response.write(lines)

    async def _find_contact_names(self, tenant: str, conversation: str) -> list[str]:
        """Return the contact's name, which messages do not always contain."""
        known = await self._services.state.conversations.get(conversation)
        contact = known and await self._services.state.contacts.get(tenant, known.origin.contact_id)
        return [contact.name] if contact and contact.name else []


def _read_next(conversations: Iterator[_ConversationFacts]) -> _ConversationFacts | None:
    return next(conversations, None)


def _serialize_rows(
    tenant: str,
    facts: _ConversationFacts,
    own: OwnNumbers | None,
    names: list[str],
    find_passages: FindPassages,
    kind: str,
) -> bytes:
    kinds: tuple[type, ...] = {"approved": (ConversationExample,), "rejected": (Preference,)}.get(
        kind, (ConversationExample, Preference)
    )
    exported = build_examples(tenant, *facts, own, names, find_passages)
    return b"".join(row.model_dump_json().encode() + b"\n" for row in exported if isinstance(row, kinds))
