"""Exports of whole conversations from the log, streamed as JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from datetime import datetime

from aiohttp import web

from gateway.training_export import conversation_grouping
from gateway.training_export.conversation_grouping import ConversationEvent, ConversationGrouping
from gateway.wiring.process_services import ProcessServices

NDJSON = "application/x-ndjson"
BuildLines = Callable[[str, list[ConversationEvent], list[str]], bytes]
"""Returns the lines of one conversation, given its id, its events and the names of its contact. Runs in a thread."""
PrepareExport = Callable[[ConversationGrouping], Awaitable[BuildLines]]
"""Called once, when the events of all conversations are known."""
_Conversation = tuple[str, list[ConversationEvent]]


class ConversationExport:
    """One kind of export of a tenant's conversations."""

    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        # An export takes as much disk space as the tenant's part of the log, so only one runs at a time.
        self._lock = asyncio.Lock()

    async def stream(
        self,
        request: web.Request,
        *,
        sources: Sequence[str],
        types: Collection[str],
        period: tuple[datetime | None, datetime | None],
        prepare: PrepareExport,
    ) -> web.StreamResponse:
        """Write the lines of the conversations in ``sources`` (topics) that were last answered in a period. Raises
        BusUnavailable."""
        tenant, services = request.match_info["tenant"], self._services
        async with self._lock:
            with conversation_grouping.open_conversation_grouping(services.config.data_path / "exports") as grouping:
                await grouping.gather(services.bus, tenant, sources, types)
                build_lines = await prepare(grouping)
                response = web.StreamResponse(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
                await response.prepare(request)
                conversations = grouping.conversations(*period)
                while (conversation := await grouping.run_in_thread(_read_next, conversations)) is not None:
                    names = await self._find_contact_names(tenant, conversation[0])
                    if lines := await grouping.run_in_thread(build_lines, *conversation, names):
                        await response.write(lines)
                await response.write_eof()
        return response

    async def _find_contact_names(self, tenant: str, conversation: str) -> list[str]:
        """The contact's name, which messages do not always contain."""
        known = await self._services.state.conversations.get(conversation)
        contact = known and await self._services.state.contacts.get(tenant, known.origin.contact_id)
        return [contact.name] if contact and contact.name else []


def _read_next(conversations: Iterator[_Conversation]) -> _Conversation | None:
    return next(conversations, None)
