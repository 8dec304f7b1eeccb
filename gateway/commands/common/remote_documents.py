"""A tenant's documents over the admin API, for `parley knowledge`."""

from __future__ import annotations

from dataclasses import asdict
from urllib.parse import quote

from gateway.commands.common.instance import AdminApi
from gateway.documents.document_store import PublishedDocument
from schemas.ports import DocumentDraft, Passage, SearchResult

_NOT_SENT = {"id", "expires_at", "changed_by", "proposal"}
"""Fields of a draft that a sync does not set, or sends in another form."""


class RemoteDocumentStore:
    """The documents of a running instance, over the admin API."""

    def __init__(self, api: AdminApi) -> None:
        self._api = api

    async def list_published(self) -> dict[str, PublishedDocument]:
        items = await self._api.list_items("/knowledge")
        return {item["document"]: PublishedDocument(item["hash"], item.get("source", "")) for item in items}

    async def put(self, draft: DocumentDraft) -> None:
        body = {name: value for name, value in asdict(draft).items() if name not in _NOT_SENT}
        ends = {"expires_at": draft.expires_at.isoformat()} if draft.expires_at else {}
        await self._api.call("PUT", document_path(draft.id), body | ends)

    async def remove(self, document: str) -> None:
        await self._api.call("DELETE", document_path(document))


async def search_remotely(
    api: AdminApi, tenant: str, text: str, language: str, *, assurance: str = "anonymous"
) -> SearchResult:
    """Search a tenant's documents over the admin API, to answer from them."""
    body = {"query": text, "language": language, "assurance": assurance, "explain": True}
    found = await api.call("POST", "/knowledge/search", body)
    passages = [Passage(tenant=tenant, version=0, **passage) for passage in found["passages"]]
    return SearchResult(
        passages,
        found["answerable"],
        found["confidence"],
        found.get("encoder", ""),
        suggestable=found["suggestable"],
        probable=found["probable"],
    )


def document_path(document: str) -> str:
    return f"/knowledge/{quote(document, safe='')}"
