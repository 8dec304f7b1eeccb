"""The recorded conversations and the documents that a replay needs, streamed as JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import orjson
from aiohttp import web

from agent_worker.learning.conversation_log import REPLAY_TYPES
from gateway.http.query_times import parse_instant
from gateway.training_export import conversation_grouping
from gateway.training_export.conversation_grouping import ConversationEvent
from gateway.wiring.engines import channels_of
from gateway.wiring.process_services import ProcessServices
from schemas import topics
from schemas.conversation import Document
from schemas.errors import Unavailable

NDJSON = "application/x-ndjson"
_Conversation = tuple[str, list[ConversationEvent]]


class RecordingsApi:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        # An export takes as much disk space as the tenant's part of the log, so only one runs at a time.
        self._lock = asyncio.Lock()

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Write the number of conversations, the documents, then all events of each conversation that was last answered
        since ``?since`` (ISO 8601), or only of ``?conversation``; with ``?documents=only`` nothing but the documents.
        Changes nothing. Raises InvalidRequest, BusUnavailable, Unavailable."""
        tenant, services = request.match_info["tenant"], self._services
        since, only = parse_instant("since", request.query.get("since", "")), request.query.get("conversation", "")
        if services.knowledge is None:
            raise Unavailable("this process does not search documents")
        documents = await services.knowledge.documents(tenant)
        if request.query.get("documents") == "only":
            return await _write_documents(await _begin(request), documents)
        channels = channels_of(services.config)
        sources = [*map(topics.inbound, channels), *map(topics.outbound, channels), topics.EVENTS]
        async with self._lock:
            with conversation_grouping.open_conversation_grouping(services.config.data_path / "exports") as grouping:
                await grouping.gather(services.bus, tenant, sources, REPLAY_TYPES, only=[only] if only else ())
                count = await grouping.run_in_thread(grouping.count_conversations, since)
                response = await _begin(request)
                await response.write(orjson.dumps({"conversations": count}) + b"\n")
                await _write_documents(response, documents)
                conversations = grouping.conversations(since, None)
                while (conversation := await grouping.run_in_thread(_read_next, conversations)) is not None:
                    await response.write(await grouping.run_in_thread(_serialize, *conversation))
        return response


async def _begin(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
    await response.prepare(request)
    return response


async def _write_documents(response: web.StreamResponse, documents: Iterable[Document]) -> web.StreamResponse:
    for document in documents:
        content = document.model_copy(update={"history": ""}).model_dump_json()
        await response.write(b'{"document":' + content.encode() + b"}\n")
    return response


def _read_next(conversations: Iterator[_Conversation]) -> _Conversation | None:
    return next(conversations, None)


def _serialize(id: str, events: list[ConversationEvent]) -> bytes:
    """The events, one per line, and a line that ends the conversation."""
    lines = [
        orjson.dumps(
            {
                "conversation": id,
                "id": event.id,
                "type": event.type,
                "channel": event.channel,
                "account": event.account,
                "at": datetime.fromtimestamp(event.at, UTC),
                "replay_of": event.replay_of,
                "body": event.body.decode("utf-8", "replace"),
            }
        )
        for event in events
    ]
    return b"\n".join([*lines, orjson.dumps({"end": id})]) + b"\n"
