"""Documents: published, listed, searched, removed."""

from __future__ import annotations

import re
from typing import Annotated, Any

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from agent_worker.knowledge.ingest.publishing import delete, publish
from agent_worker.knowledge.text.front_matter import ADDRESS, LANGUAGE
from gateway.admin.guard import page_size
from gateway.documents.content_hash import hash_document
from gateway.http.responses import read_json, reply
from gateway.webchat.serialize import instant
from gateway.wiring.parts import Parts
from schemas.conversation import Document, Visibility
from schemas.errors import InvalidRequest, NotFound, Unavailable, Unprocessable
from schemas.messages import Assurance, Text
from schemas.ports import DocumentDraft, Knowledge

MAX_BODY = 4 * 1024 * 1024
MAX_WAIT = 25
"""Seconds."""
_ID = re.compile(r"\w[\w.-]{0,199}")
_SECONDS = re.compile(r"\d{1,2}(\.\d{1,3})?")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class DocumentIn(BaseModel):
    """Body of ``PUT knowledge/{document}``; ``body`` is markdown."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: Annotated[str, Field(min_length=1, max_length=300)]
    body: Annotated[str, Field(min_length=1)]
    url: Annotated[str, Field(max_length=2000, pattern=ADDRESS)] = ""
    language: Annotated[str, Field(pattern=LANGUAGE)] = ""
    visibility: Visibility = "public"
    expires_at: AwareDatetime | None = None
    source: Annotated[str, Field(max_length=2000)] = ""
    """The place it was read from, by whoever keeps both equal; empty for a document that stands for itself."""


class Query(BaseModel):
    """Body of ``POST knowledge/search``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: Text
    k: Annotated[int, Field(ge=1, le=50)] = 8
    assurance: Assurance = "anonymous"
    """Search as the agent would for such a contact."""
    language: Annotated[str, Field(pattern=LANGUAGE)] = ""
    """The preferred one."""
    explain: bool = False
    """Say also what the documents were compared by."""


class KnowledgeDesk:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def put(self, request: web.Request) -> web.Response:
        tenant, document = request.match_info["tenant"], _id(request)
        given = await read_json(request, DocumentIn, limit=MAX_BODY)
        if _CONTROLS.search(given.body + given.title + given.source):
            raise Unprocessable("the document holds control characters, as binary files do; send its text")
        draft = DocumentDraft(id=document, **dict(given))
        wait = _wait(request)
        version, passages = await publish(self._parts.bus, self._parts.state.heads, tenant, draft, self._parts.clock())
        known = {"document": document, "version": version, "passages": passages}
        if wait is None:
            return reply(known)
        return reply(known | {"searchable": await self._knowledge().wait_until_indexed(tenant, wait)})

    async def listing(self, request: web.Request) -> web.Response:
        size, after = page_size(request), request.query.get("after", "")
        documents = await self._knowledge().documents(request.match_info["tenant"])
        later = sorted((item for item in documents if item.id > after), key=lambda item: item.id)
        following = later[size - 1].id if len(later) > size else ""
        return reply({"items": [_item(item) for item in later[:size]], "next": following})

    async def get(self, request: web.Request) -> web.Response:
        found = await self._found(request)
        return reply(_item(found) | {"body": found.body})

    async def delete(self, request: web.Request) -> web.Response:
        found = await self._found(request)
        tenant = request.match_info["tenant"]
        await delete(self._parts.bus, self._parts.state.heads, tenant, found.id, self._parts.clock())
        return web.Response(status=204)

    async def search(self, request: web.Request) -> web.Response:
        asked = await read_json(request, Query)
        found = await self._knowledge().search(
            request.match_info["tenant"], asked.query, k=asked.k, assurance=asked.assurance, language=asked.language
        )
        passages = [
            {
                "document": passage.document,
                "title": passage.title,
                "heading": passage.heading,
                "text": passage.text,
                "url": passage.url,
                "score": passage.score,
            }
            for passage in found.passages
        ]
        judged = {"answerable": found.answerable, "confidence": found.confidence}
        by = {"encoder": found.encoder} if asked.explain else {}
        return reply({"passages": passages, **judged, **by})

    async def _found(self, request: web.Request) -> Document:
        found = await self._knowledge().document(request.match_info["tenant"], _id(request))
        if found is None:
            raise NotFound("no such document")
        return found

    def _knowledge(self) -> Knowledge:
        if self._parts.knowledge is None:
            raise Unavailable("this process does not search documents")
        return self._parts.knowledge


def _wait(request: web.Request) -> float | None:
    """Seconds for which the caller waits until a search finds the document; None: not at all."""
    text = request.query.get("wait")
    if text is None:
        return None
    if not _SECONDS.fullmatch(text) or float(text) > MAX_WAIT:
        raise InvalidRequest(f"wait: must be seconds, 0 to {MAX_WAIT}")
    return float(text)


def _id(request: web.Request) -> str:
    document = request.match_info["document"]
    if not _ID.fullmatch(document):
        raise InvalidRequest(
            "document: must be 1-200 letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )
    return document


def _item(document: Document) -> dict[str, Any]:
    return {
        "document": document.id,
        "title": document.title,
        "url": document.url,
        "language": document.language,
        "visibility": document.visibility,
        "version": document.version,
        "size": len(document.body.encode()),
        "source": document.source,
        "hash": hash_document(document),
        "expires_at": instant(document.expires_at) if document.expires_at else None,
        "updated_at": instant(document.updated_at),
    }
