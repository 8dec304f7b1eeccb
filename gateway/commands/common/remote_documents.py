"""A tenant's documents over the admin API, for `parley knowledge`."""

from __future__ import annotations

import math
from dataclasses import asdict
from urllib.parse import quote

from gateway.commands.common.instance import AdminApi
from gateway.commands.common.printing import Progress
from gateway.documents.document_store import PublishedDocument
from schemas.conversation import Document
from schemas.errors import NotFound
from schemas.messages import Assurance
from schemas.ports import AssuranceLookup, DocumentDraft, Passage, SearchResult


class RemoteDocumentStore:
    """The documents of a running instance, over the admin API."""

    def __init__(self, api: AdminApi) -> None:
        self._api = api

    async def list_published(self) -> dict[str, PublishedDocument]:
        items = await self._api.list_items("/knowledge")
        return {item["document"]: PublishedDocument(item["hash"], item.get("source", "")) for item in items}

    async def put(self, draft: DocumentDraft) -> None:
        body = {name: value for name, value in asdict(draft).items() if name not in ("id", "expires_at")}
        ends = {"expires_at": draft.expires_at.isoformat()} if draft.expires_at else {}
        await self._api.call("PUT", document_path(draft.id), body | ends)

    async def remove(self, document: str) -> None:
        await self._api.call("DELETE", document_path(document))


class RemoteKnowledge:
    """``schemas.ports.Knowledge`` over the admin API, for the quality check. Lists leave the documents' bodies out."""

    def __init__(self, api: AdminApi, step: Progress) -> None:
        self._api = api
        self._step = step

    async def search(
        self,
        tenant: str,
        query: str,
        *,
        k: int = 8,
        wait: float = 0.25,
        channel: str = "",
        assurance: Assurance | AssuranceLookup = "anonymous",
        language: str = "",
        since: float = math.inf,
        vector: bool = False,
    ) -> SearchResult:
        self._step("")
        body = {"query": query, "k": k, "language": language, "explain": True}
        found = await self._api.call("POST", "/knowledge/search", body)
        passages = [Passage(tenant=tenant, version=0, **passage) for passage in found["passages"]]
        verdict = {name: found[name] for name in ("answerable", "confidence")}
        return SearchResult(passages=passages, encoder=found.get("encoder", ""), **verdict)

    async def wait_until_indexed(self, tenant: str, wait: float) -> bool:
        """Returns at once, because the instance waits when it searches."""
        return True

    async def documents(self, tenant: str) -> list[Document]:
        return [_to_document(item, "") for item in await self._api.list_items("/knowledge")]

    async def document(self, tenant: str, document: str) -> Document | None:
        try:
            found = await self._api.call("GET", document_path(document))
        except NotFound:
            return None
        return _to_document(found, found["body"])

    async def wait_until_ready(self) -> None:
        """Returns at once, because an instance that answers is ready to search."""


def _to_document(item: dict[str, str], body: str) -> Document:
    return Document.model_validate(item | {"id": item["document"], "body": body})


def document_path(document: str) -> str:
    return f"/knowledge/{quote(document, safe='')}"
