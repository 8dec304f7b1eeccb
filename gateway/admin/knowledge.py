"""Endpoints for documents: publish, list, read, search, delete."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Annotated, Any

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agent_worker.knowledge.ingest.document_history import list_versions
from agent_worker.knowledge.text.documents import check_body
from agent_worker.knowledge.text.front_matter import ADDRESS, LANGUAGE
from agent_worker.knowledge.text.splitting import split
from gateway.admin.guard import WRONG_CURSOR, cut_page, read_page_size
from gateway.documents.content_hash import hash_document
from gateway.http.responses import json_response, read_json
from gateway.knowledge.editor import DocumentEditor, build_restored, check_id, find_version, is_id
from gateway.knowledge.trials import DocumentTrials, TrialAnswer
from gateway.webchat.serialization import format_instant
from gateway.wiring.process_services import ProcessServices
from schemas.conversation import Document, DocumentProposal, DocumentVersion, Visibility
from schemas.errors import InvalidRequest, Unprocessable
from schemas.messages import Assurance, Text
from schemas.ports import DocumentDraft
from schemas.validation.fields import Instant
from schemas.validation.texts import join_lines

MAX_BODY_SIZE = 4 * 1024 * 1024
MAX_WAIT = 25
"""Seconds."""
_SECONDS = re.compile(r"\d{1,2}(\.\d{1,3})?")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class DocumentRequest(BaseModel):
    """The body of ``PUT knowledge/{document}``. ``body`` is Markdown."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: Annotated[str, Field(min_length=1, max_length=300), AfterValidator(join_lines)]
    body: Annotated[str, Field(min_length=1)]
    url: Annotated[str, Field(max_length=2000, pattern=ADDRESS)] = ""
    language: Annotated[str, Field(pattern=LANGUAGE)] = ""
    visibility: Visibility = "public"
    expires_at: Instant | None = None
    source: Annotated[str, Field(max_length=2000)] = ""
    """The place that the document is synchronized from; empty if there is none."""
    proposal: DocumentProposal | None = None
    """Makes it a draft, which nothing searches until somebody publishes it in the console."""


class RestoreRequest(BaseModel):
    """The body of ``POST knowledge/{document}/restore``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Annotated[int, Field(ge=1)]


class TrialRequest(DocumentRequest):
    """The body of ``POST knowledge/{document}/try``: a document as it would be published, and a question."""

    query: Text
    assurance: Assurance = "anonymous"


class SearchRequest(BaseModel):
    """The body of ``POST knowledge/search``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: Text
    k: Annotated[int, Field(ge=1, le=50)] = 8
    assurance: Assurance = "anonymous"
    """Search as the agent does for a contact with this assurance."""
    language: Annotated[str, Field(pattern=LANGUAGE)] = ""
    """The preferred language."""
    explain: bool = False
    """Include the encoder in the response."""


class KnowledgeApi:
    def __init__(self, services: ProcessServices) -> None:
        self._editor = DocumentEditor(services)
        self._trials = DocumentTrials(services)

    async def put(self, request: web.Request) -> web.Response:
        tenant, document = request.match_info["tenant"], check_id(request.match_info["document"])
        body = await read_json(request, DocumentRequest, limit=MAX_BODY_SIZE)
        if _CONTROLS.search(body.body + body.title + body.source):
            raise Unprocessable("the document contains control characters, as binary files do; send its text")
        draft = DocumentDraft(id=document, **dict(body))
        if draft.proposal is not None:
            if check_id(draft.proposal.document) == document:
                raise Unprocessable("a draft needs an id of its own, such as that of its document with .draft")
            draft = replace(draft, visibility="internal")
        wait = _read_wait(request)
        published = await self._publish(tenant, draft)
        if wait is None:
            return json_response(published)
        return json_response(published | {"searchable": await self._editor.knowledge.wait_until_indexed(tenant, wait)})

    async def list_documents(self, request: web.Request) -> web.Response:
        size, after = read_page_size(request), request.query.get("after", "")
        # Any id will do, since the document may be gone by now.
        if after and not is_id(after):
            raise InvalidRequest(WRONG_CURSOR)
        documents = await self._editor.knowledge.documents(request.match_info["tenant"])
        later = sorted((item for item in documents if item.id > after), key=lambda item: item.id)
        following = later[size - 1].id if len(later) > size else ""
        return json_response({"items": [_serialize_document(item) for item in later[:size]], "next": following})

    async def get(self, request: web.Request) -> web.Response:
        document = await self._find(request)
        return json_response(_serialize_document(document) | {"body": document.body})

    async def try_question(self, request: web.Request) -> web.Response:
        """Answer a question with and without the document; nothing is stored."""
        tenant, document = request.match_info["tenant"], check_id(request.match_info["document"])
        body = await read_json(request, TrialRequest, limit=MAX_BODY_SIZE)
        fields = {name: value for name, value in dict(body).items() if name not in ("query", "assurance")}
        check_body(document, body.body)
        trial = await self._trials.ask(tenant, DocumentDraft(id=document, **fields), body.query, body.assurance)
        return json_response({"before": _serialize_trial(trial.before), "after": _serialize_trial(trial.after)})

    async def list_versions(self, request: web.Request) -> web.Response:
        document = await self._find(request)
        versions: list[Document | DocumentVersion] = [document, *list_versions(document)]
        page, following = cut_page(request, versions, lambda version: str(version.version))
        return json_response({"items": [_serialize_version(version) for version in page], "next": following})

    async def restore(self, request: web.Request) -> web.Response:
        """Publish an earlier version again, unless a source owns the document."""
        document, tenant = await self._find(request), request.match_info["tenant"]
        body = await read_json(request, RestoreRequest)
        self._editor.check_editable(tenant, document)
        restored = build_restored(document, find_version(document, body.version), "")
        return json_response(await self._publish(tenant, restored))

    async def _publish(self, tenant: str, draft: DocumentDraft) -> dict[str, Any]:
        version = await self._editor.publish(tenant, draft)
        passages = await asyncio.to_thread(split, draft.title, draft.body)
        return {"document": draft.id, "version": version, "passages": len(passages)}

    async def delete(self, request: web.Request) -> web.Response:
        document = await self._find(request)
        await self._editor.delete(request.match_info["tenant"], document.id)
        return web.Response(status=204)

    async def search(self, request: web.Request) -> web.Response:
        body = await read_json(request, SearchRequest)
        result = await self._editor.knowledge.search(
            request.match_info["tenant"], body.query, k=body.k, assurance=body.assurance, language=body.language
        )
        passages = [
            {
                "document": passage.document,
                "title": passage.title,
                "heading": passage.heading,
                "text": passage.text,
                "url": passage.url,
                "score": passage.score,
                **({"related": passage.related} if body.explain else {}),
            }
            for passage in result.passages
        ]
        judgement = {"answerable": result.answerable, "confidence": result.confidence}
        more = {"encoder": result.encoder, "suggestable": result.suggestable, "probable": result.probable}
        return json_response({"passages": passages, **judgement, **(more if body.explain else {})})

    async def _find(self, request: web.Request) -> Document:
        return await self._editor.find(request.match_info["tenant"], check_id(request.match_info["document"]))


def _read_wait(request: web.Request) -> float | None:
    """Read ``?wait``: the seconds to wait until searches find the document; None if absent."""
    text = request.query.get("wait")
    if text is None:
        return None
    if not _SECONDS.fullmatch(text) or float(text) > MAX_WAIT:
        raise InvalidRequest(f"wait: must be a number of seconds from 0 to {MAX_WAIT}")
    return float(text)


def _serialize_document(document: Document) -> dict[str, Any]:
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
        "expires_at": format_instant(document.expires_at) if document.expires_at else None,
        "updated_at": format_instant(document.updated_at),
        "changed_by": document.changed_by,
        "proposal": None if document.proposal is None else document.proposal.model_dump(),
    }


def _serialize_version(version: Document | DocumentVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "title": version.title,
        "body": version.body,
        "url": version.url,
        "language": version.language,
        "visibility": version.visibility,
        "source": version.source,
        "expires_at": format_instant(version.expires_at) if version.expires_at else None,
        "updated_at": format_instant(version.updated_at),
        "changed_by": version.changed_by,
    }


def _serialize_trial(answer: TrialAnswer) -> dict[str, Any]:
    return {
        "text": answer.text,
        "citations": [{"n": each.n, "document": each.document, "quote": each.quote} for each in answer.citations],
        "offers": list(answer.offers),
        "answered": answer.is_answered,
        "confidence": answer.confidence,
    }
