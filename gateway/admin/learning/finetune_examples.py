"""Training examples from the log, streamed as JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime

import orjson
from aiohttp import web

from gateway.finetune.contact_names import ContactNames
from gateway.finetune.example_builder import FINETUNE_TYPES, ExampleBuilder, ExampleContext
from gateway.http.query_times import parse_instant, parse_start
from gateway.training_export import conversation_grouping
from gateway.training_export.conversation_grouping import ConversationEvent, ConversationGrouping
from gateway.wiring.engines import channels_of
from gateway.wiring.finetune import build_prompt_reader
from gateway.wiring.process_services import ProcessServices
from schemas import topics
from schemas.errors import Unavailable

NDJSON = "application/x-ndjson"
_Conversation = tuple[str, list[ConversationEvent]]


class FinetuneExampleApi:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        # An export takes as much disk space as the tenant's part of the log, so only one runs at a time.
        self._lock = asyncio.Lock()

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Write an example for each answer that somebody judged, in conversations that were last answered since
        ``?since``. Those that cannot be used have a problem and no text. Raises InvalidRequest, BusUnavailable,
        Unavailable."""
        tenant, services = request.match_info["tenant"], self._services
        since = parse_start("since", request.query.get("since", ""), services.clock())
        until = parse_instant("until", request.query.get("until", ""))
        if services.knowledge is None:
            raise Unavailable("this process does not search documents")
        documents = await services.knowledge.documents(tenant)
        channels = channels_of(services.config)
        sources = [*map(topics.inbound, channels), *map(topics.outbound, channels), topics.EVENTS]
        async with self._lock:
            with conversation_grouping.open_conversation_grouping(services.config.data_path / "exports") as grouping:
                await grouping.gather(services.bus, tenant, sources, FINETUNE_TYPES)
                context = ExampleContext(
                    tenant=tenant,
                    prompts=build_prompt_reader(services.config, tenant),
                    documents={document.id: document for document in documents},
                    names=await grouping.run_in_thread(_read_names, grouping),
                    find_passages=grouping.find_passages,
                    own=services.config.tenants[tenant].protection.own_number_finder,
                )
                response = web.StreamResponse(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
                await response.prepare(request)
                await self._write(response, grouping, context, since, until)
                await response.write_eof()
        return response

    async def _write(
        self,
        response: web.StreamResponse,
        grouping: ConversationGrouping,
        context: ExampleContext,
        since: datetime | None,
        until: datetime | None,
    ) -> None:
        conversations = grouping.conversations(since, until)
        while (conversation := await grouping.run_in_thread(_read_next, conversations)) is not None:
            names = await self._find_contact_names(context.tenant, conversation[0])
            lines = await grouping.run_in_thread(_build_lines, context, *conversation, names)
            if lines:
                await response.write(lines)

    async def _find_contact_names(self, tenant: str, conversation: str) -> list[str]:
        """The contact's name, which messages do not always contain."""
        known = await self._services.state.conversations.get(conversation)
        contact = known and await self._services.state.contacts.get(tenant, known.origin.contact_id)
        return [contact.name] if contact and contact.name else []


def _read_names(grouping: ConversationGrouping) -> ContactNames:
    names = ContactNames()
    for _, events in grouping.conversations(None, None):
        names.note(events)
    return names


def _read_next(conversations: Iterator[_Conversation]) -> _Conversation | None:
    return next(conversations, None)


def _build_lines(
    context: ExampleContext, conversation: str, events: Sequence[ConversationEvent], names: Sequence[str]
) -> bytes:
    """The examples of a conversation. Requests are built by the code of a turn, which is asynchronous; it waits for
    nothing, and in this thread it keeps no customer waiting."""
    examples = asyncio.run(ExampleBuilder(context, conversation, events, names).build())
    return b"".join(orjson.dumps(example.model_dump(mode="json")) + b"\n" for example in examples)
